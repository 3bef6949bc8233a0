/// Rows of a cell in slots, of which only the first `filled` are read. A view of memory that
/// another object owns.
///
///     R [capacity, count]
package protocol StoredRows<Element> {
  /// The scalar of the vectors that are stored or multiplied.
  associatedtype Element: Scalar

  /// The number of slots.
  var capacity: Int { get }
  /// The number of columns.
  var count: Int { get }

  /// Implements `store`; shapes fit, and there is at least one column.
  func storeRow(_ x: UnsafePointer<Element>, slot: Int)
  /// Implements `load`; shapes fit, and there is at least one column.
  func loadRow(_ slot: Int, into x: UnsafeMutablePointer<Element>)
  /// Implements `dots`; shapes fit, and there is at least one column.
  func dotRows(filled: Int, x: UnsafePointer<Element>, sums: UnsafeMutablePointer<Double>)
  /// Implements `combine`; shapes fit, and there is at least one column.
  func combineRows(_ coefficients: [Double], into sums: UnsafeMutablePointer<Double>)

  /// Returns rows 0..<filled as stored arrays.
  func arrays(filled: Int) -> [StoredArray]
}

extension StoredRows {
  /// Stores `x`, shape [count], as the row of a slot.
  package func store(_ x: UnsafeBufferPointer<Element>, slot: Int) {
    precondition(x.count == count && slot < capacity, "\(x.count) columns at slot \(slot)")
    guard let x = x.baseAddress else { return }
    storeRow(x, slot: slot)
  }

  /// Writes the stored row of a slot to `x`, shape [count].
  package func load(_ slot: Int, into x: UnsafeMutableBufferPointer<Element>) {
    precondition(x.count == count && slot < capacity, "\(x.count) columns at slot \(slot)")
    guard let x = x.baseAddress else { return }
    loadRow(slot, into: x)
  }

  /// Computes `sums = R x` over rows 0..<filled.
  ///
  /// - Parameters:
  ///   - x: shape [count].
  ///   - sums: shape [filled].
  package func dots(
    filled: Int, x: UnsafeBufferPointer<Element>, sums: UnsafeMutablePointer<Double>
  ) {
    precondition(x.count == count && filled <= capacity, "\(x.count) columns, \(filled) rows")
    guard let x = x.baseAddress else {
      for k in 0..<filled { sums[k] = 0 }
      return
    }
    dotRows(filled: filled, x: x, sums: sums)
  }

  /// Computes `sums = Rᵀc`, added in the order of the rows.
  ///
  /// - Parameters:
  ///   - coefficients: c, shape [filled].
  ///   - sums: shape [count].
  package func combine(_ coefficients: [Double], into sums: UnsafeMutableBufferPointer<Double>) {
    precondition(
      sums.count == count && coefficients.count <= capacity,
      "\(sums.count) columns, \(coefficients.count) rows")
    guard let sums = sums.baseAddress else { return }
    combineRows(coefficients, into: sums)
  }
}
