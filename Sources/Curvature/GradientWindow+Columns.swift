import LinearAlgebra

extension GradientWindow {
  /// Creates a window of the same gradients in other columns.
  ///
  /// If a sparse row has more numbers in a cell than the new cell keeps, the largest stay.
  ///
  /// - Parameters:
  ///   - other: a window with the same number of cells.
  ///   - cells: the new columns.
  ///   - columns: for each new column its column in `other`, in the same cell, or −1 for zeros.
  public convenience init(_ other: GradientWindow, cells: [Range<Int>], columns: [Int32]) {
    precondition(
      cells.count == other.cells.count && columns.count == cells.last?.upperBound ?? 0,
      "\(columns.count) columns in \(cells.count) cells, of \(other.cells.count)")
    self.init(capacity: other.capacity, cells: cells, form: other.form)
    (filled, oldest) = (other.filled, other.oldest)
    let before = Buffer<Element>(count: other.cells.map(\.count).max() ?? 0)
    let after = Buffer<Element>(count: cells.map(\.count).max() ?? 0)
    for (cell, range) in cells.enumerated() {
      let from = other.cells[cell]
      let (old, new) = (before[0..<from.count], after[0..<range.count])
      func move() { Self.take(columns[range], from: from.lowerBound, of: old, into: new) }
      for slot in 0..<filled {
        other.rows[cell].load(slot, into: old)
        move()
        if form.isSparse { form.keepLargest(of: new) }
        rows[cell].store(UnsafeBufferPointer(new), slot: slot)
      }
      if let feedback, let others = other.feedback {
        _ = old.update(fromContentsOf: others.carried(ofCell: cell))
        move()
        _ = feedback.carried(ofCell: cell).update(fromContentsOf: new)
      }
    }
  }

  @specialized(where Element == Float)
  @specialized(where Element == Double)
  private static func take(
    _ columns: ArraySlice<Int32>, from first: Int, of old: UnsafeMutableBufferPointer<Element>,
    into new: UnsafeMutableBufferPointer<Element>
  ) {
    for (i, column) in columns.enumerated() { new[i] = column < 0 ? 0 : old[Int(column) - first] }
  }

  /// Writes a cell's part of `GGᵀ` over the filled slots: the lower triangle, shape [filled,
  /// filled]. The elements above it are undefined.
  @specialized(where Element == Float)
  @specialized(where Element == Double)
  public func writeProducts(
    ofCell cell: Int, into products: UnsafeMutableBufferPointer<Double>
  ) {
    let count = cells[cell].count
    let row = Buffer<Element>(count: count)
    let numbers = Buffer<Double>(count: filled * count)
    for slot in 0..<filled {
      rows[cell].load(slot, into: row.all)
      for i in 0..<count { numbers.pointer[slot * count + i] = Double(row.pointer[i]) }
    }
    products.update(repeating: 0)
    guard filled > 0, count > 0 else { return }
    symmetricProduct(
      numbers.pointer, rows: filled, columns: count, into: products.baseAddress!)
  }
}

extension WindowForm {
  /// Sets all numbers of a cell to zero except the largest `entries` ones.
  @specialized(where Element == Float)
  @specialized(where Element == Double)
  fileprivate func keepLargest<Element: Scalar>(of x: UnsafeMutableBufferPointer<Element>) {
    let columns = Buffer<UInt16>(count: entries(x.count))
    MixedPrecision.largest(of: UnsafeBufferPointer(x), columns: columns.all)
    var next = 0
    for i in x.indices {
      if next < columns.count, Int(columns.pointer[next]) == i { next += 1 } else { x[i] = 0 }
    }
  }
}
