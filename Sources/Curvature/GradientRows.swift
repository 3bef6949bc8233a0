import LinearAlgebra

/// m gradients that are all there from the start, of which this address space holds some columns.
///
///   G [m, d]   here the columns of a slice of d, cut in blocks
///
/// Stored block by block, in a block row by row, so that products run over whole blocks.
public final class GradientRows {
  /// m.
  public let count: Int
  /// The blocks, as ranges of the slice; they lie one after another from 0.
  public let blocks: [Range<Int>]
  private let storage: Buffer<Float>
  /// A block in double precision, while it is worked on.
  private lazy var scratch = Buffer<Double>(count: count * (blocks.map(\.count).max() ?? 0))

  /// - Parameters:
  ///   - count: m > 0.
  ///   - blocks: of any lengths.
  public init(count: Int, blocks: [Range<Int>]) {
    precondition(count > 0, "\(count) gradients")
    self.count = count
    self.blocks = blocks
    storage = Buffer(count: count * (blocks.last?.upperBound ?? 0))
  }

  /// Bytes of `count` rows of a slice, and of a block of them that is worked on.
  public static func bytes(count: Int, blocks: [Range<Int>]) -> Int {
    count * (4 * (blocks.last?.upperBound ?? 0) + 8 * (blocks.map(\.count).max() ?? 0))
  }

  /// Coordinates in this slice.
  public var sliceCount: Int { blocks.last?.upperBound ?? 0 }

  /// A row becomes `x`, this slice of a gradient.
  public func store(_ x: UnsafeBufferPointer<Float>, row: Int) {
    precondition(
      x.count == sliceCount && row < count,
      "row \(row) of \(x.count) columns among \(count) of \(sliceCount)")
    for range in blocks {
      let start = count * range.lowerBound + row * range.count
      _ = storage[start..<start + range.count].update(fromContentsOf: x[range])
    }
  }

  /// The numbers of a block, shape [m, width], row by row.
  public func block(_ index: Int) -> UnsafeBufferPointer<Float> {
    let range = blocks[index]
    return UnsafeBufferPointer(storage[count * range.lowerBound..<count * range.upperBound])
  }

  /// Columns of a block in double precision, shape [m, columns], row by row, in memory that the next call
  /// overwrites; all of them where none are named.
  func doubles(ofBlock index: Int, columns: [Int]?) -> UnsafeMutablePointer<Double> {
    let (all, n) = (block(index).baseAddress, blocks[index].count)
    let width = columns?.count ?? n
    guard let all else { return scratch.pointer }
    for row in 0..<count {
      let (from, to) = (all + row * n, scratch.pointer + row * width)
      if let columns, columns.count < n {
        for (k, column) in columns.enumerated() { to[k] = Double(from[column]) }
      } else {
        for k in 0..<width { to[k] = Double(from[k]) }
      }
    }
    return scratch.pointer
  }
}
