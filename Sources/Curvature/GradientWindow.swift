import LinearAlgebra
import Sharding

/// The window of the last m gradients; stores each as a row, and this address space holds some of
/// the columns.
///
///     G [m, d]   the window; here the columns of a slice of d, cut into cells
///
/// Rows are stored cell by cell, so that no product on a cell depends on which other cells are
/// here. The window starts as zeros: an empty slot adds nothing to a product and is not read.
///
/// G consists of the stored numbers. If their form differs from that of the gradients, `stage`
/// brings a gradient to it before its products are taken. These products are then exact for G.
public final class GradientWindow<Element: Scalar> {
  /// m, the number of slots.
  public let capacity: Int
  /// The cells, as ranges of the slice, adjacent and starting at 0.
  public let cells: [Range<Int>]
  public let form: WindowForm
  /// The number of slots that hold a gradient: slots 0..<filled.
  public internal(set) var filled = 0
  /// The slot to replace next: that of the oldest gradient, or the first empty one.
  public internal(set) var oldest = 0

  /// The slot of the newest gradient; valid only if the window is not empty.
  public var newest: Int { (oldest + capacity - 1) % capacity }

  let rows: [any StoredRows<Element>]
  /// The memory of the rows: their numbers, and the columns of these if the rows are sparse.
  private let storage: (values: Buffer<UInt16>, columns: Buffer<UInt16>)
  let feedback: ErrorFeedback<Element>?
  private let sums: Buffer<Double>

  /// Allocates an empty window.
  ///
  /// - Parameters:
  ///   - capacity: m > 0.
  ///   - cells: this slice's cells, of any lengths.
  public init(capacity: Int, cells: [Range<Int>], form: WindowForm = WindowForm()) {
    precondition(capacity > 0, "a window of \(capacity) gradients")
    self.capacity = capacity
    self.cells = cells
    self.form = form
    let type = form.rowType(of: Element.self)
    let entries = form.isSparse ? cells.map { capacity * form.entries($0.count) } : []
    let columns = Buffer<UInt16>(count: entries.reduce(0, +))
    let bytes = Self.rowBytes(capacity: capacity, cells: cells, form: form)
    let values = Buffer<UInt16>(count: bytes / 2 - columns.count)
    storage = (values, columns)
    var value = UnsafeMutableRawPointer(values.pointer)
    var column = columns.pointer
    rows = cells.map { cell in
      guard form.isSparse else {
        defer { value += form.bytes(of: Element.self, capacity: capacity, count: cell.count) }
        return InterleavedRows<Element>(
          at: value, type: type, capacity: capacity, count: cell.count)
      }
      let entries = form.entries(cell.count)
      defer {
        value += capacity * entries * type.bytes
        column += capacity * entries
      }
      return SparseRows<Element>(
        columns: column, values: value, type: type, entries: entries, capacity: capacity,
        count: cell.count)
    }
    feedback = form.isSparse ? ErrorFeedback<Element>(cells: cells, form: form) : nil
    sums = Buffer(count: cells.map(\.count).max() ?? 0)
  }

  /// Returns the bytes of the rows alone, which a pass over a full window reads.
  public static func rowBytes(capacity: Int, cells: [Range<Int>], form: WindowForm) -> Int {
    cells.reduce(0) { $0 + form.bytes(of: Element.self, capacity: capacity, count: $1.count) }
  }

  /// The number of coordinates in this slice.
  public var sliceCount: Int { cells.last?.upperBound ?? 0 }

  /// Brings a gradient to the form in which it will be stored: rounds its numbers. A sparse window
  /// first adds the residual of earlier gradients, then keeps the largest entries of each cell. The
  /// window does not change before the gradient is inserted.
  ///
  /// - Parameter x: this slice of a gradient; overwritten.
  public func stage(_ x: UnsafeMutableBufferPointer<Element>) {
    check(x.count)
    guard let feedback else {
      // A cell is a row of its own, with its own scale.
      for cell in cells {
        MixedPrecision.round(
          UnsafeMutableBufferPointer(rebasing: x[cell]), to: form.rowType(of: Element.self))
      }
      return
    }
    feedback.compress(x)
  }

  /// Writes `G x` of each cell: rows 0..<filled, and `x·x` at x's slot if it is to be inserted.
  /// Summed over all cells these are the new row of the Gram matrix.
  ///
  /// - Parameters:
  ///   - x: this slice of a vector [d]; staged if it is to be inserted.
  ///   - inserting: true if `x` will replace the oldest gradient.
  ///   - partials: shape [cells, stride], of which the first width(inserting:) columns are
  ///     overwritten.
  ///   - stride: at least the width.
  @specialized(where Element == Float)
  @specialized(where Element == Double)
  public func partialProducts(
    with x: UnsafeBufferPointer<Element>, inserting: Bool, into partials: Buffer<Double>,
    stride: Int
  ) {
    let width = width(inserting: inserting)
    check(x.count)
    precondition(
      stride >= width && partials.count >= cells.count * stride,
      "\(partials.count) partial sums for \(cells.count) cells of \(width)")
    for (cell, range) in cells.enumerated() {
      let piece = UnsafeBufferPointer(rebasing: x[range])
      let sums = partials.pointer + cell * stride
      rows[cell].dots(filled: filled, x: piece, sums: sums)
      if inserting { sums[oldest] = MixedPrecision.dot(piece, piece) }
    }
  }

  /// Returns the length of a row of products: the filled slots, and one that `inserting` fills.
  public func width(inserting: Bool) -> Int {
    inserting ? max(filled, oldest + 1) : filled
  }

  /// Returns `G x` summed over the cells here, which is all of it if the window is not sharded.
  public func products(with x: UnsafeBufferPointer<Element>, inserting: Bool = false) -> [Double] {
    let width = width(inserting: inserting)
    let partials = Buffer<Double>(count: cells.count * width)
    partialProducts(with: x, inserting: inserting, into: partials, stride: width)
    var tree = FixedTree.rows(of: partials.pointer, width: width, leaves: cells.count)
    for cell in cells.indices { tree.add(leaf: cell, cell) }
    return cells.isEmpty
      ? [Double](repeating: 0, count: width)
      : Array(partials[tree.root * width..<(tree.root + 1) * width])
  }

  /// Stores this slice of a staged gradient in the slot of the oldest one.
  ///
  /// - Returns: the slot.
  @specialized(where Element == Float)
  @specialized(where Element == Double)
  func replaceOldest(with x: UnsafeBufferPointer<Element>) -> Int {
    check(x.count)
    let slot = oldest
    for (rows, range) in zip(rows, cells) {
      rows.store(UnsafeBufferPointer(rebasing: x[range]), slot: slot)
    }
    feedback?.commit()
    filled = max(filled, slot + 1)
    oldest = (slot + 1) % capacity
    return slot
  }

  /// Passes `Gᵀc` to `body` cell by cell: the coordinates in the slice, and their values in double
  /// precision.
  ///
  /// - Parameter coefficients: c, shape [filled].
  @specialized(where Element == Float)
  @specialized(where Element == Double)
  public func combine(
    _ coefficients: [Double],
    _ body: (Range<Int>, UnsafeMutableBufferPointer<Double>) throws -> Void
  ) rethrows {
    precondition(
      coefficients.count == filled, "\(coefficients.count) coefficients for \(filled) gradients")
    for (rows, range) in zip(rows, cells) {
      let sums = sums[0..<range.count]
      rows.combine(coefficients, into: sums)
      try body(range, sums)
    }
  }

  /// Returns the arrays that a checkpoint stores for a cell.
  public func arrays(ofCell cell: Int) -> [StoredArray] {
    rows[cell].arrays(filled: filled) + (feedback.map { [$0.array(ofCell: cell)] } ?? [])
  }

  /// Restores the counters of another process; `arrays` restores the cells.
  func resume(filled: Int, oldest: Int) throws(StoredArrayError) {
    guard (0...capacity).contains(filled),
      filled < capacity ? oldest == filled : (0..<capacity).contains(oldest)
    else {
      throw StoredArrayError(
        "\(filled) gradients, the oldest at \(oldest), in a window of \(capacity)")
    }
    (self.filled, self.oldest) = (filled, oldest)
  }

  private func check(_ count: Int) {
    precondition(count == sliceCount, "a slice of \(count) for a window of \(sliceCount) columns")
  }
}
