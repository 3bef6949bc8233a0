/// Rows that store a fixed number of entries; all other elements are zeros.
package struct SparseRows<Element: Scalar>: StoredRows {
  private let columns: UnsafeMutablePointer<UInt16>
  private let values: UnsafeMutableRawPointer
  private let type: RowType
  private let kernels: RowKernels<Element>
  private let entries: Int
  package let capacity: Int
  package let count: Int

  /// Wraps memory as rows.
  ///
  /// - Parameters:
  ///   - columns: shape [capacity, entries].
  ///   - values: shape [capacity, entries], of `type`.
  ///   - type: the stored type, to which `store` rounds: to nearest, ties to even.
  ///   - entries: at most `count`.
  ///   - capacity: the number of slots.
  ///   - count: the number of columns, at most 65,536.
  package init(
    columns: UnsafeMutablePointer<UInt16>, values: UnsafeMutableRawPointer, type: RowType,
    entries: Int, capacity: Int, count: Int
  ) {
    precondition(entries <= count && count <= 1 << 16, "\(entries) entries of \(count) columns")
    self.columns = columns
    self.values = values
    self.type = type
    kernels = Element.kernels.pointee.rows(of: type)
    self.entries = entries
    self.capacity = capacity
    self.count = count
  }

  /// Stores `x` as the row of a slot; at most `entries` numbers of `x` are not 0.
  package func storeRow(_ x: UnsafePointer<Element>, slot: Int) {
    let first = slot * entries
    let found = kernels.storeEntries(
      columns + first, values + first * type.bytes, entries, x, count)
    precondition(found <= entries, "\(found) numbers in a row of \(entries) entries")
  }

  /// Writes the row of a slot to `x` [count], with zeros for columns that are not stored.
  package func loadRow(_ slot: Int, into x: UnsafeMutablePointer<Element>) {
    let first = slot * entries
    kernels.loadEntries(columns + first, values + first * type.bytes, entries, x, count)
  }

  /// Computes `sums = R x` over rows 0..<filled; `x` [count], `sums` [filled].
  package func dotRows(
    filled: Int, x: UnsafePointer<Element>, sums: UnsafeMutablePointer<Double>
  ) {
    kernels.dotEntries(columns, values, entries, filled, x, sums)
  }

  /// Computes `sums = Rᵀc`, added in the order of the rows; `sums` [count].
  package func combineRows(_ coefficients: [Double], into sums: UnsafeMutablePointer<Double>) {
    kernels.combineEntries(
      columns, values, entries, coefficients.count, coefficients, count, sums)
  }

  /// Returns `columns` and `values`, shape [filled, entries]: a row's nonzero numbers in ascending
  /// columns, padded with zeros.
  package func arrays(filled: Int) -> [StoredArray] {
    let shape = [filled, entries]
    return [
      StoredArray(
        "columns", .uint16, shape: shape, at: columns,
        check: { column in
          if Int(column) >= count {
            throw StoredArrayError("column \(column) in a row of \(count)")
          }
        }),
      values(shape: shape),
    ]
  }

  private func values(shape: [Int]) -> StoredArray {
    func array<Number: BitwiseCopyable>(of number: Number.Type) -> StoredArray {
      StoredArray(
        "values", type.element, shape: shape, at: values.assumingMemoryBound(to: number))
    }
    return switch type {
    case .float32: array(of: Float.self)
    case .bfloat16: array(of: UInt16.self)
    case .float64: array(of: Double.self)
    case .int8: noSparseRows()
    }
  }
}
