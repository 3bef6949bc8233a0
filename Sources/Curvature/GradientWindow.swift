import LinearAlgebra
import Sharding

/// The window: the last m gradients, a row each, of which this address space holds some columns.
///
///     G [m, d]   the window; here the columns of a slice of d, cut in cells
///
/// It is stored cell by cell, so that no product on a cell depends on which others are here. The
/// window starts as zeros: an empty slot adds nothing to a product and is not read.
///
/// G is what is stored. Where its form is another than that of gradients, a gradient is brought to
/// it by `stage` before its products are taken, and these are exact for it.
public final class GradientWindow<Element: Scalar> {
  /// m.
  public let capacity: Int
  /// The cells, as ranges of the slice; they lie one after another from 0.
  public let cells: [Range<Int>]
  /// How the rows are stored.
  public let form: WindowForm
  /// Slots that hold a gradient: 0..<filled.
  public internal(set) var filled = 0
  /// The slot of the oldest gradient, or the first empty one: the next to be replaced.
  public internal(set) var oldest = 0

  /// The slot of the newest gradient, where there is one.
  public var newest: Int { (oldest + capacity - 1) % capacity }

  let rows: [any StoredRows<Element>]
  /// The memory of the rows: their numbers, and where they are sparse the columns of these.
  private let storage: (values: Buffer<UInt16>, columns: Buffer<UInt16>)
  let feedback: ErrorFeedback<Element>?
  private let sums: Buffer<Double>

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

  /// Those of its rows alone: what a pass over a full window reads.
  public static func rowBytes(capacity: Int, cells: [Range<Int>], form: WindowForm) -> Int {
    cells.reduce(0) { $0 + form.bytes(of: Element.self, capacity: capacity, count: $1.count) }
  }

  /// Coordinates in this slice.
  public var sliceCount: Int { cells.last?.upperBound ?? 0 }

  /// Brings a gradient to the form in which it will be stored: its numbers rounded, and of a sparse
  /// window the largest in each cell, what earlier ones left out added to it. Nothing changes in
  /// the window before the gradient is inserted.
  ///
  /// - Parameter x: this slice of a gradient; overwritten.
  public func stage(_ x: UnsafeMutableBufferPointer<Element>) {
    check(x.count)
    guard let feedback else {
      return MixedPrecision.round(x, to: form.rowType(of: Element.self))
    }
    feedback.compress(x)
  }

  /// `G x` from each cell alone: rows 0..<filled, and where `x` is to be inserted also `x·x` at its
  /// slot. Summed over all cells they are the new row of the Gram matrix.
  ///
  /// - Parameters:
  ///   - x: this slice of a vector [d]; where it is to be inserted, staged.
  ///   - inserting: whether `x` will replace the oldest gradient.
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

  /// Numbers in a row of products: the filled slots, counting one about to be filled.
  public func width(inserting: Bool) -> Int {
    inserting ? max(filled, oldest + 1) : filled
  }

  /// `G x` summed over the cells that are here: all of it, where the window is not sharded.
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

  /// Puts this slice of a gradient, staged, in the place of the oldest one.
  ///
  /// - Returns: the slot that it took.
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

  /// Hands `Gᵀc` to `body` cell by cell: the coordinates in the slice, and their values in double
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

  /// What a cell of the window is outside of memory.
  public func arrays(ofCell cell: Int) -> [StoredArray] {
    rows[cell].arrays(filled: filled) + (feedback.map { [$0.array(ofCell: cell)] } ?? [])
  }

  /// Becomes a window of another process, whose cells `arrays` then take over.
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
