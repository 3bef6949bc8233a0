import CKernels

/// Dense rows, so interleaved that a pass over them reads memory from its start to its end: a core then
/// reads them as fast as it can read at all.
public struct InterleavedRows: StoredRows {
  private let start: UnsafeMutableRawPointer
  private let type: RowType
  private let capacity: Int
  private let count: Int

  /// - Parameters:
  ///   - start: `bytes(type:capacity:count:)` of them.
  ///   - type: of the numbers, to which `store` rounds: to nearest, ties to even.
  ///   - capacity: slots.
  ///   - count: columns.
  public init(at start: UnsafeMutableRawPointer, type: RowType, capacity: Int, count: Int) {
    self.start = start
    self.type = type
    self.capacity = capacity
    self.count = count
  }

  /// Bytes of memory that the rows take: whole runs of sixteen columns.
  public static func bytes(type: RowType, capacity: Int, count: Int) -> Int {
    type.bytes * capacity * ((count + 15) / 16 * 16)
  }

  public func store(_ x: UnsafeBufferPointer<Float>, slot: Int) {
    precondition(x.count == count && slot < capacity, "\(x.count) columns at slot \(slot)")
    guard let x = x.baseAddress else { return }
    switch type {
    case .float32: ck_float_rows_store(floats, capacity, slot, x, count)
    case .bfloat16: ck_bfloat16_rows_store(halves, capacity, slot, x, count)
    }
  }

  public func dots(
    filled: Int, x: UnsafeBufferPointer<Float>, sums: UnsafeMutablePointer<Double>
  ) {
    precondition(x.count == count && filled <= capacity, "\(x.count) columns, \(filled) rows")
    guard let x = x.baseAddress else {
      for k in 0..<filled { sums[k] = 0 }
      return
    }
    switch type {
    case .float32: ck_float_rows_dots(floats, capacity, filled, x, count, sums)
    case .bfloat16: ck_bfloat16_rows_dots(halves, capacity, filled, x, count, sums)
    }
  }

  public func combine(_ coefficients: [Double], into sums: UnsafeMutableBufferPointer<Double>) {
    let filled = coefficients.count
    precondition(sums.count == count && filled <= capacity, "\(sums.count) columns, \(filled) rows")
    guard let sums = sums.baseAddress else { return }
    switch type {
    case .float32: ck_float_rows_combine(floats, capacity, filled, coefficients, count, sums)
    case .bfloat16: ck_bfloat16_rows_combine(halves, capacity, filled, coefficients, count, sums)
    }
  }

  private var floats: UnsafeMutablePointer<Float> { start.assumingMemoryBound(to: Float.self) }
  private var halves: UnsafeMutablePointer<UInt16> { start.assumingMemoryBound(to: UInt16.self) }
}
