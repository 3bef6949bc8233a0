import MPI
import Sharding

/// The blocks that have weights in this rank's slice, and their scores.
///
/// A block that lies in the slices of several ranks is known to each of them: the few bands that do
/// are told to all ranks. One rank counts it, the owner of its first weight.
struct PatternBlocks {
  private let slice: Range<Int>
  private let tensors: [WeightTensor]
  private let bands: [BlockBands]
  /// A block's first coordinate, tensor by tensor in their order.
  private var firsts: [Int] = []
  /// The order of the blocks' scores, each the sum of its members'; where blocks are of different
  /// sizes, that sum for each of its weights.
  private var keys: [UInt64] = []
  /// For each tensor, which of them are its own.
  private var ofTensor: [Range<Int>] = []
  private let scores: BlockScores

  /// Collective.
  ///
  /// - Parameter scores: one for each coordinate of this rank's slice.
  init(
    of tensors: [WeightTensor], in pattern: Pattern, scores: [Double],
    partition: CellPartition, on world: Communicator
  ) throws {
    slice = partition.slice(of: world.rank)
    self.tensors = tensors.filter(\.isPrunable)
    bands = self.tensors.map { BlockBands(of: $0, in: pattern) }
    self.scores = try BlockScores(
      scores, of: zip(self.tensors, bands).map { $0 }, partition: partition, on: world)
    for bands in bands {
      let start = firsts.count
      bands.forEachBlock(touching: slice) { [scores = self.scores] first in
        // From +0 on, no sum is −0.
        let sum = bands.members.reduce(0) { $0 + scores[first + $1] }
        firsts.append(first)
        keys.append(
          RadixSelect.key(of: pattern.blockSize == nil ? sum / Double(bands.members.count) : sum))
      }
      ofTensor.append(start..<firsts.count)
    }
  }

  /// Selects the first blocks of a tensor that have `count` weights. Collective.
  func select(_ count: Int, of tensor: Int, on world: Communicator) throws -> RadixSelect? {
    try RadixSelect(count, of: numbers(of: tensor, upTo: .all, cost: 1), on: world)
  }

  /// Selects the first blocks of all tensors that cost `count`, none of them beyond its tensor's
  /// limit. Collective.
  ///
  /// - Parameter costs: of a weight of each tensor.
  func select(
    _ count: Int, costs: [Int], upTo limits: [RadixSelect?], on world: Communicator
  ) throws -> RadixSelect? {
    try RadixSelect(
      count,
      of: limits.enumerated().flatMap { tensor, limit in
        numbers(of: tensor, upTo: limit, cost: costs[tensor])
      },
      on: world)
  }

  /// What this rank counts of a tensor, up to a limit.
  private func numbers(
    of tensor: Int, upTo limit: RadixSelect?, cost: Int
  ) -> [(key: UInt64, index: Int, weights: Int)] {
    ofTensor[tensor].filter { block in
      slice.contains(firsts[block]) && (limit?.selects(keys[block], at: firsts[block]) ?? false)
    }.map { (keys[$0], firsts[$0], bands[tensor].members.count * cost) }
  }

  /// Removes the blocks that are selected of each tensor.
  func mask(removing selected: [RadixSelect?]) -> Mask {
    var mask = Mask(slice: slice)
    for (tensor, selected) in selected.enumerated() {
      guard let selected else { continue }
      for block in ofTensor[tensor] where selected.selects(keys[block], at: firsts[block]) {
        for member in bands[tensor].members { mask.remove(firsts[block] + member) }
      }
    }
    return mask
  }

  /// Keeps the `count` members of the highest scores in each block, of equal ones the last.
  func mask(keeping count: Int) -> Mask {
    var mask = Mask(slice: slice)
    for bands in bands {
      bands.forEachBlock(touching: slice) { first in
        let byScore = bands.members.sorted {
          (scores[first + $0], $0) < (scores[first + $1], $1)
        }
        for member in byScore.dropLast(count) { mask.remove(first + member) }
      }
    }
    return mask
  }
}

/// How a pattern's blocks lie in a tensor: in bands, ranges of coordinates one after another that
/// hold whole blocks each.
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
    let local = range.clamped(to: slice)
    guard !local.isEmpty else { return }
    var band = band(at: local.lowerBound)
    let blocks = length / members.count
    while band.lowerBound < local.upperBound {
      for block in 0..<blocks {
        body(band.lowerBound + block / inner * columns * inner + block % inner)
      }
      band = band.upperBound..<band.upperBound + length
    }
  }
}

/// This rank's scores, and those of the bands that lie across the border of two slices.
struct BlockScores {
  private let slice: Range<Int>
  private let local: [Double]
  /// The bands across borders, in their order, and their scores one after another.
  private let acrossBorders: [(band: Range<Int>, start: Int)]
  private let gathered: [Double]

  /// Collective.
  ///
  /// - Parameter own: one for each coordinate of this rank's slice.
  init(
    _ local: [Double], of tensors: [(WeightTensor, BlockBands)], partition: CellPartition,
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
        band.clamped(to: slice).map { local[$0 - slice.lowerBound] }
      }, counts: parts, into: &gathered)
    self.slice = slice
    self.local = local
    acrossBorders = across
    self.gathered = gathered
  }

  /// That of a coordinate of a block with members in this slice.
  subscript(coordinate: Int) -> Double {
    if slice.contains(coordinate) { return local[coordinate - slice.lowerBound] }
    let (band, start) = acrossBorders.first { $0.band.contains(coordinate) }!
    return gathered[start + coordinate - band.lowerBound]
  }
}

extension Mask {
  /// Removes the weight at a coordinate, where it is of this slice.
  fileprivate mutating func remove(_ coordinate: Int) {
    if slice.contains(coordinate) { isKept[coordinate - slice.lowerBound] = false }
  }
}
