/// Numbers in twice the digits of double precision, each an unevaluated sum of two: what residuals
/// are computed in, so that a solution can be refined to the last digit of double precision.
///
/// Ogita, Rump and Oishi, "Accurate sum and dot product", 2005; for the refinement Higham,
/// "Accuracy and Stability of Numerical Algorithms", 2002, chapter 12.
public struct ExtendedNumbers: Sendable {
  /// The numbers rounded to double precision, but for a last bit.
  public var high: [Double]
  /// What rounding has left out.
  public var low: [Double]

  /// As many zeros.
  public init(zeros count: Int) {
    high = [Double](repeating: 0, count: count)
    low = high
  }

  /// Numbers of double precision.
  public init(_ numbers: [Double]) {
    (high, low) = (numbers, [Double](repeating: 0, count: numbers.count))
  }

  /// Of `serial`.
  public init(serial: [Double]) {
    high = Array(serial[..<(serial.count / 2)])
    low = Array(serial[(serial.count / 2)...])
  }

  /// All high parts, then all low ones.
  public var serial: [Double] { high + low }

  /// How many there are.
  public var count: Int { high.count }

  /// The nearest numbers of double precision.
  public var rounded: [Double] { zip(high, low).map { $0 + $1 } }

  /// A number gains `term`, itself of double precision.
  public mutating func add(_ term: Double, at index: Int) {
    let sum = high[index] + term
    let part = sum - high[index]
    low[index] += (high[index] - (sum - part)) + (term - part)
    high[index] = sum
  }

  /// A number gains `factor` times one of other numbers.
  public mutating func add(
    _ factor: Double, times number: (high: Double, low: Double), at index: Int
  ) {
    let product = factor * number.high
    add(product, at: index)
    low[index] += (-product).addingProduct(factor, number.high) + factor * number.low
  }

  /// The high and the low part of a number.
  public subscript(index: Int) -> (high: Double, low: Double) { (high[index], low[index]) }

  /// All numbers gain others.
  public mutating func add(_ others: ExtendedNumbers) {
    for i in high.indices {
      add(others.high[i], at: i)
      low[i] += others.low[i]
    }
  }

  /// The numbers divided by `divisor`.
  public func divided(by divisor: Double) -> ExtendedNumbers {
    var quotients = ExtendedNumbers(zeros: count)
    for i in high.indices {
      let quotient = high[i] / divisor
      let rest = high[i].addingProduct(-quotient, divisor) + low[i]
      quotients.add(quotient, at: i)
      quotients.add(rest / divisor, at: i)
    }
    return quotients
  }

  /// Rows [rows, columns] times x [columns].
  package static func dots<Element: Scalar>(
    _ numbers: UnsafePointer<Element>, rows: Int, columns: Int, _ high: UnsafePointer<Double>,
    _ low: UnsafePointer<Double>, into products: inout ExtendedNumbers
  ) {
    Element.kernels.pointee.extendedDots(
      numbers, rows, columns, high, low, &products.high, &products.low)
  }

  /// The numbers gain the transpose of rows [rows, count] times c [rows].
  package mutating func add<Element: Scalar>(
    _ numbers: UnsafePointer<Element>, rows: Int, times c: ExtendedNumbers
  ) {
    Element.kernels.pointee.extendedCombine(numbers, rows, count, c.high, c.low, &high, &low)
  }
}
