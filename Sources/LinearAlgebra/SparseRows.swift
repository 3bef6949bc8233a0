import CKernels

/// Rows of which a fixed number of entries is kept, the rest being zeros.
public struct SparseRows: StoredRows {
  private let columns: UnsafeMutablePointer<UInt16>
  private let values: UnsafeMutableRawPointer
  private let type: RowType
  private let entries: Int
  public let capacity: Int
  public let count: Int

  /// - Parameters:
  ///   - columns: shape [capacity, entries].
  ///   - values: shape [capacity, entries], of `type`.
  ///   - type: of the values, to which `store` rounds: to nearest, ties to even.
  ///   - entries: at most `count`.
  ///   - capacity: slots.
  ///   - count: columns, at most 65,536.
  public init(
    columns: UnsafeMutablePointer<UInt16>, values: UnsafeMutableRawPointer, type: RowType,
    entries: Int, capacity: Int, count: Int
  ) {
    precondition(entries <= count && count <= 1 << 16, "\(entries) entries of \(count) columns")
    self.columns = columns
    self.values = values
    self.type = type
    self.entries = entries
    self.capacity = capacity
    self.count = count
  }

  /// The row of a slot becomes `x`, of which at most `entries` numbers are not 0.
  public func storeRow(_ x: UnsafePointer<Float>, slot: Int) {
    let first = slot * entries
    let found =
      switch type {
      case .float32:
        ck_float_entries_store(columns + first, floats + first, entries, x, count)
      case .bfloat16:
        ck_bfloat16_entries_store(columns + first, halves + first, entries, x, count)
      }
    precondition(found <= entries, "\(found) numbers in a row of \(entries) entries")
  }

  /// `x` [count] becomes the row of a slot, with zeros where it keeps nothing.
  public func loadRow(_ slot: Int, into x: UnsafeMutablePointer<Float>) {
    for i in 0..<count { x[i] = 0 }
    // Behind a row's numbers there are zeros, in column 0.
    for entry in slot * entries..<(slot + 1) * entries {
      let number =
        switch type {
        case .float32: floats[entry]
        case .bfloat16: Float(bitPattern: UInt32(halves[entry]) << 16)
        }
      x[Int(columns[entry])] += number
    }
  }

  /// `sums = R x`, of rows 0..<filled; `x` [count], `sums` [filled].
  public func dotRows(
    filled: Int, x: UnsafePointer<Float>, sums: UnsafeMutablePointer<Double>
  ) {
    switch type {
    case .float32: ck_float_entries_dots(columns, floats, entries, filled, x, sums)
    case .bfloat16: ck_bfloat16_entries_dots(columns, halves, entries, filled, x, sums)
    }
  }

  /// `sums = Rᵀc`, added in the order of the rows; `sums` [count].
  public func combineRows(_ coefficients: [Double], into sums: UnsafeMutablePointer<Double>) {
    let filled = coefficients.count
    switch type {
    case .float32:
      ck_float_entries_combine(columns, floats, entries, filled, coefficients, count, sums)
    case .bfloat16:
      ck_bfloat16_entries_combine(columns, halves, entries, filled, coefficients, count, sums)
    }
  }

  /// `columns` and `values`, shape [filled, entries]: those of a row's numbers that are not 0, ascending,
  /// and then zeros.
  public func arrays(filled: Int) -> [StoredArray] {
    let shape = [filled, entries]
    return [
      StoredArray(
        "columns", .uint16, shape: shape, at: columns,
        check: { column in
          if Int(column) >= count {
            throw StoredArrayError("column \(column) in a row of \(count)")
          }
        }),
      type == .float32
        ? StoredArray("values", .float32, shape: shape, at: floats)
        : StoredArray("values", .bfloat16, shape: shape, at: halves),
    ]
  }

  private var floats: UnsafeMutablePointer<Float> { values.assumingMemoryBound(to: Float.self) }
  private var halves: UnsafeMutablePointer<UInt16> { values.assumingMemoryBound(to: UInt16.self) }
}
