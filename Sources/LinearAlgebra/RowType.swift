/// The type of the numbers in stored rows.
public enum RowType: String, CaseIterable, Sendable {
  case float32
  /// The upper half of a `Float`: its exponent, and 8 of its 24 digits.
  case bfloat16

  public var bytes: Int {
    switch self {
    case .float32: 4
    case .bfloat16: 2
    }
  }
}

/// Rows of a cell, by slots, of which the first `filled` are read.
///
///   R [capacity, count]
///
/// A view: the memory is its owner's.
public protocol StoredRows {
  /// The row of a slot becomes `x`, shape [count].
  func store(_ x: UnsafeBufferPointer<Float>, slot: Int)

  /// `sums = R x`, of rows 0..<filled.
  ///
  /// - Parameters:
  ///   - x: shape [count].
  ///   - sums: shape [filled].
  func dots(filled: Int, x: UnsafeBufferPointer<Float>, sums: UnsafeMutablePointer<Double>)

  /// `sums = Rᵀc`, added in the order of the rows.
  ///
  /// - Parameters:
  ///   - coefficients: c, shape [filled].
  ///   - sums: shape [count].
  func combine(_ coefficients: [Double], into sums: UnsafeMutableBufferPointer<Double>)
}
