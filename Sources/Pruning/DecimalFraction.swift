/// Computes a fraction of a count in exact decimal arithmetic.
///
/// The nearest `Double` to 0.8 lies above 0.8, so a floating-point product can be one too large or
/// too small after rounding. The shortest decimal that represents the `Double` is the number that
/// the user typed. Counts by it are exact, and so is the count of a fraction that is a quotient of
/// two counts.
package struct DecimalFraction {
  private let numerator: UInt128
  private let denominator: UInt128

  /// Takes the shortest decimal form of a value in [0, 1].
  ///
  /// - Parameter value: in [0, 1].
  package init(_ value: Double) {
    precondition(value >= 0 && value <= 1, "a fraction of \(value)")
    // "0.8", "1.0" or "2.5e-07"; up to 17 digits.
    let parts = "\(value)".split(separator: "e")
    let decimals = parts[0].split(separator: ".")
    numerator = UInt128(decimals.joined())!
    let places =
      (decimals.count > 1 ? decimals[1].count : 0) - (parts.count > 1 ? Int(parts[1])! : 0)
    // With more places, the fraction of any count is less than 1.
    denominator = (0..<min(places, 38)).reduce(1) { power, _ in 10 * power }
  }

  /// Returns the smallest integer that is not below the fraction of `count`.
  package func roundedUp(of count: Int) -> Int { parts(of: count).up }

  /// Returns the largest integer that is not above the fraction of `count`.
  package func roundedDown(of count: Int) -> Int { parts(of: count).down }

  /// Returns both bounds; they are equal if the fraction is an integer up to the rounding of a
  /// quotient of counts.
  private func parts(of count: Int) -> (down: Int, up: Int) {
    let (quotient, remainder) = (numerator * UInt128(count)).quotientAndRemainder(
      dividingBy: denominator)
    let fraction = Double(remainder) / Double(denominator)
    let rounding = min(Double(count) * .ulpOfOne, 1e-3)
    let down = Int(quotient) + (fraction >= 1 - rounding ? 1 : 0)
    return (down, fraction > rounding && fraction < 1 - rounding ? down + 1 : down)
  }
}
