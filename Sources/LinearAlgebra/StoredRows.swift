/// Rows of a cell, by slots, of which the first `filled` are read.
///
///     R [capacity, count]
///
/// A view: the memory is its owner's.
public protocol StoredRows<Element> {
  /// The numbers of the vectors beside the rows.
  associatedtype Element: Scalar

  /// Slots.
  var capacity: Int { get }
  /// Columns.
  var count: Int { get }

  /// `store`, `load`, `dots` and `combine` of shapes that fit, with a column at least.
  func storeRow(_ x: UnsafePointer<Element>, slot: Int)
  /// `load` without its checks.
  func loadRow(_ slot: Int, into x: UnsafeMutablePointer<Element>)
  /// `dots` without its checks.
  func dotRows(filled: Int, x: UnsafePointer<Element>, sums: UnsafeMutablePointer<Double>)
  /// `combine` without its checks.
  func combineRows(_ coefficients: [Double], into sums: UnsafeMutablePointer<Double>)

  /// What rows 0..<filled are outside of memory.
  func arrays(filled: Int) -> [StoredArray]
}

extension StoredRows {
  /// The row of a slot becomes `x`, shape [count].
  public func store(_ x: UnsafeBufferPointer<Element>, slot: Int) {
    precondition(x.count == count && slot < capacity, "\(x.count) columns at slot \(slot)")
    guard let x = x.baseAddress else { return }
    storeRow(x, slot: slot)
  }

  /// `x`, shape [count], becomes the row of a slot, as it is stored.
  public func load(_ slot: Int, into x: UnsafeMutableBufferPointer<Element>) {
    precondition(x.count == count && slot < capacity, "\(x.count) columns at slot \(slot)")
    guard let x = x.baseAddress else { return }
    loadRow(slot, into: x)
  }

  /// `sums = R x`, of rows 0..<filled.
  ///
  /// - Parameters:
  ///   - x: shape [count].
  ///   - sums: shape [filled].
  public func dots(
    filled: Int, x: UnsafeBufferPointer<Element>, sums: UnsafeMutablePointer<Double>
  ) {
    precondition(x.count == count && filled <= capacity, "\(x.count) columns, \(filled) rows")
    guard let x = x.baseAddress else {
      for k in 0..<filled { sums[k] = 0 }
      return
    }
    dotRows(filled: filled, x: x, sums: sums)
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
    guard let sums = sums.baseAddress else { return }
    combineRows(coefficients, into: sums)
  }
}
