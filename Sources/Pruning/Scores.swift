import MPI
import Sharding

/// This rank's scores, and those of the bands that lie across the border of two slices.
struct Scores {
  private let slice: Range<Int>
  private let own: [Double]
  /// The bands across borders, in their order, and their scores one after another.
  private let acrossBorders: [(band: Range<Int>, start: Int)]
  private let gathered: [Double]

  /// Collective.
  ///
  /// - Parameter own: one for each coordinate of this rank's slice.
  init(
    _ own: [Double], of tensors: [(WeightTensor, BlockBands)], partition: CellPartition,
    on world: Communicator
  ) throws {
    let slices = partition.slices
    let slice = slices[world.rank]
    var across: [(band: Range<Int>, start: Int)] = []
    var count = 0
    for border in slices.map(\.lowerBound) {
      guard let (_, bands) = tensors.first(where: { $0.0.range.contains(border) }) else { continue }
      let band = bands.band(at: border)
      guard band.lowerBound < border, across.last?.band != band else { continue }
      across.append((band, count))
      count += band.count
    }
    let parts = slices.map { slice in
      across.reduce(0) { $0 + $1.band.clamped(to: slice).count }
    }
    var gathered = [Double](repeating: 0, count: count)
    // In the order of the ranks, and so in that of the coordinates: band by band.
    try world.allGather(
      across.flatMap { band, _ in
        band.clamped(to: slice).map { own[$0 - slice.lowerBound] }
      }, counts: parts, into: &gathered)
    self.slice = slice
    self.own = own
    acrossBorders = across
    self.gathered = gathered
  }

  /// That of a coordinate of a block with members in this slice.
  subscript(coordinate: Int) -> Double {
    if slice.contains(coordinate) { return own[coordinate - slice.lowerBound] }
    let (band, start) = acrossBorders.first { $0.band.contains(coordinate) }!
    return gathered[start + coordinate - band.lowerBound]
  }
}
