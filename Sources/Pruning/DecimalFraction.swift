/// A fraction of a number of things, taken as the decimal number that it is written as.
///
/// The nearest `Double` to 0.8 lies above it: in floating point a whole number of things may come
/// out just above or below itself, and one thing too many or too few would be taken. The shortest
/// decimal that stands for the `Double` is what was typed, and counts by it are exact; so is the
/// count of a fraction that is the quotient of two counts.
package struct DecimalFraction {
  private let numerator: UInt128
  private let denominator: UInt128

  /// - Parameter value: in [0, 1].
  package init(_ value: Double) {
    precondition(value >= 0 && value <= 1, "a fraction of \(value)")
    // "0.8", "1.0" or "2.5e-07"; up to 17 digits.
    let parts = "\(value)".split(separator: "e")
    let decimals = parts[0].split(separator: ".")
    numerator = UInt128(decimals.joined())!
    let places =
      (decimals.count > 1 ? decimals[1].count : 0) - (parts.count > 1 ? Int(parts[1])! : 0)
    // Of a number with more places the fraction of any count is less than 1.
    denominator = (0..<min(places, 38)).reduce(1) { power, _ in 10 * power }
  }

  /// The least whole number that is not below the fraction of `count`.
  package func roundedUp(of count: Int) -> Int { parts(of: count).up }

  /// The largest whole number that is not above the fraction of `count`.
  package func roundedDown(of count: Int) -> Int { parts(of: count).down }

  /// Both are the whole number that the fraction is within the rounding of a quotient of counts.
  private func parts(of count: Int) -> (down: Int, up: Int) {
    let (quotient, remainder) = (numerator * UInt128(count)).quotientAndRemainder(
      dividingBy: denominator)
    let fraction = Double(remainder) / Double(denominator)
    let rounding = min(Double(count) * .ulpOfOne, 1e-3)
    let down = Int(quotient) + (fraction >= 1 - rounding ? 1 : 0)
    return (down, fraction > rounding && fraction < 1 - rounding ? down + 1 : down)
  }
}
