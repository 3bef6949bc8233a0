/// Numbers with twice the digits of double precision, each an unevaluated sum of two doubles. They
/// hold the residuals that refine a solution to the last digit of double precision.
///
/// Ogita, Rump and Oishi, "Accurate sum and dot product", 2005; for the refinement Higham,
/// "Accuracy and Stability of Numerical Algorithms", 2002, chapter 12.
public struct ExtendedNumbers: Sendable {
  /// The numbers rounded to double precision, up to the last bit.
  public var high: [Double]
  /// The remainders of that rounding.
  public var low: [Double]

  /// Creates `count` zeros.
  public init(zeros count: Int) {
    high = [Double](repeating: 0, count: count)
    low = high
  }

  /// Converts numbers of double precision.
  public init(_ numbers: [Double]) {
    (high, low) = (numbers, [Double](repeating: 0, count: numbers.count))
  }

  /// Restores numbers from `serial`.
  public init(serial: [Double]) {
    high = Array(serial[..<(serial.count / 2)])
    low = Array(serial[(serial.count / 2)...])
  }

  /// All high parts, then all low ones.
  public var serial: [Double] { high + low }

  public var count: Int { high.count }

  /// The nearest numbers of double precision.
  public var rounded: [Double] { zip(high, low).map { $0 + $1 } }

  /// Adds `term`, of double precision, to one number.
  public mutating func add(_ term: Double, at index: Int) {
    let sum = high[index] + term
    let part = sum - high[index]
    low[index] += (high[index] - (sum - part)) + (term - part)
    high[index] = sum
  }

  /// Adds `factor` times a number to one number.
  public mutating func add(
    _ factor: Double, times number: (high: Double, low: Double), at index: Int
  ) {
    let product = factor * number.high
    add(product, at: index)
    low[index] += (-product).addingProduct(factor, number.high) + factor * number.low
  }

  /// The high and the low part of a number.
  public subscript(index: Int) -> (high: Double, low: Double) { (high[index], low[index]) }

  /// Adds the other numbers elementwise.
  public mutating func add(_ others: ExtendedNumbers) {
    for i in high.indices {
      add(others.high[i], at: i)
      low[i] += others.low[i]
    }
  }

  /// Returns the numbers divided by `divisor`.
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

  /// Writes the products of rows [rows, columns] and x [columns].
  package static func dots<Element: Scalar>(
    _ numbers: UnsafePointer<Element>, rows: Int, columns: Int, _ high: UnsafePointer<Double>,
    _ low: UnsafePointer<Double>, into products: inout ExtendedNumbers
  ) {
    Element.kernels.pointee.extendedDots(
      numbers, rows, columns, high, low, &products.high, &products.low)
  }

  /// Adds the product of transposed rows [rows, count] and c [rows].
  package mutating func add<Element: Scalar>(
    _ numbers: UnsafePointer<Element>, rows: Int, times c: ExtendedNumbers
  ) {
    Element.kernels.pointee.extendedCombine(numbers, rows, count, c.high, c.low, &high, &low)
  }
}
