import CKernels

/// Rows of a cell, slot by slot, so interleaved that a pass over the filled ones reads memory from its
/// start to its end: a core then reads them as fast as it can read at all.
///
///   R [capacity, count]   of which rows 0..<filled are read
///
/// A view: the memory is its owner's.
public struct InterleavedRows {
  private let start: UnsafeMutablePointer<Float>
  private let capacity: Int
  private let count: Int

  /// - Parameters:
  ///   - start: `elements(capacity:count:)` of them.
  ///   - capacity: slots.
  ///   - count: columns.
  public init(at start: UnsafeMutablePointer<Float>, capacity: Int, count: Int) {
    self.start = start
    self.capacity = capacity
    self.count = count
  }

  /// Elements of memory that the rows take: whole runs of sixteen columns.
  public static func elements(capacity: Int, count: Int) -> Int {
    capacity * ((count + 15) / 16 * 16)
  }

  /// The row of a slot becomes `x`, shape [count].
  public func store(_ x: UnsafeBufferPointer<Float>, slot: Int) {
    precondition(x.count == count && slot < capacity, "\(x.count) columns at slot \(slot)")
    guard let x0 = x.baseAddress else { return }
    ck_float_rows_store(start, capacity, slot, x0, count)
  }

  /// `sums = R x`, of rows 0..<filled.
  ///
  /// - Parameters:
  ///   - x: shape [count].
  ///   - sums: shape [filled].
  public func dots(
    filled: Int, x: UnsafeBufferPointer<Float>, sums: UnsafeMutablePointer<Double>
  ) {
    precondition(x.count == count && filled <= capacity, "\(x.count) columns, \(filled) rows")
    guard let x0 = x.baseAddress else {
      for k in 0..<filled { sums[k] = 0 }
      return
    }
    ck_float_rows_dots(start, capacity, filled, x0, count, sums)
  }

  /// `sums = Rᵀc`, added in the order of the rows.
  ///
  /// - Parameters:
  ///   - coefficients: c, shape [filled].
  ///   - sums: shape [count].
  public func combine(_ coefficients: [Double], into sums: UnsafeMutableBufferPointer<Double>) {
    precondition(
      sums.count == count && coefficients.count <= capacity,
      "\(sums.count) columns, \(coefficients.count) rows")
    guard let sums0 = sums.baseAddress else { return }
    ck_float_rows_combine(start, capacity, coefficients.count, coefficients, count, sums0)
  }
}
