/// How a pattern's blocks lie in a tensor: in bands, ranges of coordinates one after another that hold
/// whole blocks each.
///
/// A block of one output lies among its next inputs; one of several outputs among their whole rows.
struct BlockBands {
  private let range: Range<Int>
  private let length: Int
  /// Coordinates between two inputs of an output.
  private let inner: Int
  private let columns: Int
  /// A block's weights, from its first one.
  let members: [Int]

  init(of tensor: WeightTensor, in pattern: Pattern) {
    let (rows, columns, row, inner) = pattern.blocks(in: tensor)
    range = tensor.range
    self.inner = inner
    self.columns = columns
    length = rows == 1 ? columns * inner : rows * row
    members = (0..<rows).flatMap { output in
      (0..<columns).map { output * row + $0 * inner }
    }
  }

  /// The band that holds a coordinate of the tensor.
  func band(at coordinate: Int) -> Range<Int> {
    let start = range.lowerBound + (coordinate - range.lowerBound) / length * length
    return start..<start + length
  }

  /// The first coordinate of each block of the bands that hold some of `slice`, in their order.
  func forEachBlock(touching slice: Range<Int>, _ body: (_ first: Int) -> Void) {
    let own = range.clamped(to: slice)
    guard !own.isEmpty else { return }
    var band = band(at: own.lowerBound)
    let blocks = length / members.count
    while band.lowerBound < own.upperBound {
      for block in 0..<blocks {
        body(band.lowerBound + block / inner * columns * inner + block % inner)
      }
      band = band.upperBound..<band.upperBound + length
    }
  }
}
