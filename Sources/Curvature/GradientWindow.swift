import LinearAlgebra
import Sharding

/// The window: the last m gradients, a row each, of which this address space holds some columns.
///
///   G [m, d]   the window; here the columns of a slice of d, cut in cells
///
/// It is stored cell by cell, each cell's rows one after another, so that no product on a cell depends
/// on which others are here. The window starts as zeros: an empty
/// slot adds nothing to a product and is not read.
public final class GradientWindow {
  /// m.
  public let capacity: Int
  /// The cells, as ranges of the slice; they lie one after another from 0.
  public let cells: [Range<Int>]
  /// Slots that hold a gradient: 0..<filled.
  public private(set) var filled = 0
  /// The slot of the oldest gradient, or the first empty one: the next to be replaced.
  public private(set) var oldest = 0

  /// The slot of the newest gradient, where there is one.
  public var newest: Int { (oldest + capacity - 1) % capacity }

  private let storage: Buffer<Float>
  /// Of each cell: elements from row to row.
  private let strides: [Int]
  /// Where each cell's rows begin.
  private let starts: [Int]
  private let sums: Buffer<Double>

  /// - Parameters:
  ///   - capacity: m > 0.
  ///   - cells: this slice's cells, of any lengths.
  public init(capacity: Int, cells: [Range<Int>]) {
    precondition(capacity > 0, "a window of \(capacity) gradients")
    self.capacity = capacity
    self.cells = cells
    strides = cells.map(Self.stride)
    var starts: [Int] = []
    var end = 0
    for stride in strides {
      starts.append(end)
      end += capacity * stride
    }
    self.starts = starts
    storage = Buffer(count: end)
    sums = Buffer(count: cells.map(\.count).max() ?? 0)
  }

  /// Bytes of a window of `capacity` gradients on a slice of `cells`.
  public static func bytes(capacity: Int, cells: [Range<Int>]) -> Int {
    capacity * cells.map(stride).reduce(0, +) * MemoryLayout<Float>.stride
  }

  /// Elements from row to row of a cell. Rows that start a power of two apart would fall in the same
  /// sets of the cache, so a cache line is left between them.
  private static func stride(of cell: Range<Int>) -> Int {
    let length = (cell.count + 15) / 16 * 16
    return length % 1024 == 0 && length > 0 ? length + 16 : length
  }

  /// Coordinates in this slice.
  public var sliceCount: Int { cells.last?.upperBound ?? 0 }

  /// `G x` from each cell alone: rows 0..<filled, and where `x` is to be inserted also `x·x` at its
  /// slot. Summed over all cells they are the new row of the Gram matrix.
  ///
  /// - Parameters:
  ///   - x: this slice of a vector [d].
  ///   - inserting: whether `x` will replace the oldest gradient.
  ///   - partials: shape [cells, width(inserting:)], overwritten.
  public func partialProducts(
    with x: UnsafeBufferPointer<Float>, inserting: Bool, into partials: Buffer<Double>
  ) {
    let width = width(inserting: inserting)
    check(x.count)
    precondition(
      partials.count >= cells.count * width,
      "\(partials.count) partial sums for \(cells.count) cells of \(width)")
    for (cell, range) in cells.enumerated() {
      let piece = UnsafeBufferPointer(rebasing: x[range])
      let sums = partials.pointer + cell * width
      MixedPrecision.dots(
        rows: row(0, of: cell), stride: strides[cell], rowCount: filled, x: piece, sums: sums)
      if inserting {
        MixedPrecision.dots(
          rows: piece.baseAddress!, stride: 0, rowCount: 1, x: piece, sums: sums + oldest)
      }
    }
  }

  /// Numbers in a row of products: the filled slots, counting one about to be filled.
  public func width(inserting: Bool) -> Int {
    inserting ? max(filled, oldest + 1) : filled
  }

  /// `G x` summed over the cells that are here: all of it, where the window is not sharded.
  public func products(with x: UnsafeBufferPointer<Float>, inserting: Bool = false) -> [Double] {
    let width = width(inserting: inserting)
    let partials = Buffer<Double>(count: cells.count * width)
    partialProducts(with: x, inserting: inserting, into: partials)
    var tree = FixedTree.rows(of: partials.pointer, width: width, leaves: cells.count)
    for cell in cells.indices { tree.add(leaf: cell, cell) }
    return cells.isEmpty
      ? [Double](repeating: 0, count: width)
      : Array(partials[tree.root * width..<(tree.root + 1) * width])
  }

  /// Puts this slice of a gradient in the place of the oldest one.
  ///
  /// - Returns: the slot that it took.
  func replaceOldest(with x: UnsafeBufferPointer<Float>) -> Int {
    check(x.count)
    let slot = oldest
    for (cell, range) in cells.enumerated() {
      row(slot, of: cell).update(from: x.baseAddress! + range.lowerBound, count: range.count)
    }
    filled = max(filled, slot + 1)
    oldest = (slot + 1) % capacity
    return slot
  }

  /// Hands `Gᵀc` to `body` cell by cell: the coordinates in the slice, and their values in double
  /// precision.
  ///
  /// - Parameter coefficients: c, shape [filled].
  public func combine(
    _ coefficients: [Double], _ body: (Range<Int>, UnsafeMutableBufferPointer<Double>) -> Void
  ) {
    precondition(
      coefficients.count == filled, "\(coefficients.count) coefficients for \(filled) gradients")
    for (cell, range) in cells.enumerated() {
      let sums = sums[0..<range.count]
      MixedPrecision.combine(
        rows: row(0, of: cell), stride: strides[cell], coefficients: coefficients, sums: sums)
      body(range, sums)
    }
  }

  private func row(_ slot: Int, of cell: Int) -> UnsafeMutablePointer<Float> {
    storage.pointer + starts[cell] + slot * strides[cell]
  }

  private func check(_ count: Int) {
    precondition(count == sliceCount, "a slice of \(count) for a window of \(sliceCount) columns")
  }
}
