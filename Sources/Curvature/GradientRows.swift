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

  /// - Parameters:
  ///   - count: m > 0.
  ///   - blocks: of any lengths.
  public init(count: Int, blocks: [Range<Int>]) {
    precondition(count > 0, "\(count) gradients")
    self.count = count
    self.blocks = blocks
    storage = Buffer(count: count * (blocks.last?.upperBound ?? 0))
  }

  /// Bytes of `count` rows of a slice.
  public static func bytes(count: Int, sliceCount: Int) -> Int { 4 * count * sliceCount }

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
}
