import MPI
import Sharding

/// Holds the blocks with weights in this rank's slice, and their scores.
///
/// Every rank that holds part of a block knows the whole block. The ranks exchange the scores of
/// the few bands that cross a border. Only the owner of a block's first weight counts the block.
struct PatternBlocks {
  private let slice: Range<Int>
  private let tensors: [WeightTensor]
  private let bands: [BlockBands]
  /// Each block's first coordinate, in the order of the tensors.
  private var firsts: [Int] = []
  /// Ordered keys of the blocks' scores. A score is the sum over the block's members, divided by
  /// their number if blocks differ in size.
  private var keys: [UInt64] = []
  /// For each tensor, the range of its blocks in `firsts` and `keys`.
  private var ofTensor: [Range<Int>] = []
  private let scores: BlockScores

  /// Gathers the scores of shared bands and scores all blocks of the slice. Collective.
  ///
  /// - Parameter scores: one per coordinate of this rank's slice.
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
        // A sum that starts at +0 is never −0.
        let sum = bands.members.reduce(0) { $0 + scores[first + $1] }
        firsts.append(first)
        keys.append(
          RadixSelect.key(of: pattern.blockSize == nil ? sum / Double(bands.members.count) : sum))
      }
      ofTensor.append(start..<firsts.count)
    }
  }

  /// Selects the tensor's lowest-scoring blocks that together have `count` weights. Collective.
  func select(_ count: Int, of tensor: Int, on world: Communicator) throws -> RadixSelect? {
    try RadixSelect(count, of: numbers(of: tensor, upTo: .all, cost: 1), on: world)
  }

  /// Selects the lowest-scoring blocks of all tensors that together cost `count`, none beyond its
  /// tensor's limit. Collective.
  ///
  /// - Parameter costs: cost per weight, for each tensor.
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

  /// Returns the key, first coordinate and cost of each block that this rank counts, up to a limit.
  private func numbers(
    of tensor: Int, upTo limit: RadixSelect?, cost: Int
  ) -> [(key: UInt64, index: Int, weights: Int)] {
    ofTensor[tensor].filter { block in
      slice.contains(firsts[block]) && (limit?.selects(keys[block], at: firsts[block]) ?? false)
    }.map { (keys[$0], firsts[$0], bands[tensor].members.count * cost) }
  }

  /// Removes the selected blocks of each tensor.
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

  /// Keeps the `count` members with the highest scores in each block; on ties, the last ones.
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

/// Locates a pattern's blocks in a tensor. The tensor is divided into bands: consecutive ranges of
/// coordinates that hold whole blocks.
///
/// The band of a block with one output covers the block's consecutive inputs. The band of a block
/// with several outputs covers their whole rows.
struct BlockBands {
  private let range: Range<Int>
  private let length: Int
  /// Distance in coordinates between two inputs of an output.
  private let inner: Int
  private let columns: Int
  /// The offsets of a block's weights from its first coordinate.
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

  /// Returns the band that holds a coordinate of the tensor.
  func band(at coordinate: Int) -> Range<Int> {
    let start = range.lowerBound + (coordinate - range.lowerBound) / length * length
    return start..<start + length
  }

  /// Passes the first coordinate of each block to `body`, for all bands that overlap `slice`.
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

/// Holds this rank's scores, and those of the bands that cross the border of two slices.
struct BlockScores {
  private let slice: Range<Int>
  private let local: [Double]
  /// The bands across borders, in ascending order, each with its first index in `gathered`.
  private let acrossBorders: [(band: Range<Int>, start: Int)]
  private let gathered: [Double]

  /// Gathers the scores of the bands across borders. Collective.
  ///
  /// - Parameter local: one score per coordinate of this rank's slice.
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
    // The order of the ranks is that of the coordinates, so the scores arrive band by band.
    try world.allGather(
      across.flatMap { band, _ in
        band.clamped(to: slice).map { local[$0 - slice.lowerBound] }
      }, counts: parts, into: &gathered)
    self.slice = slice
    self.local = local
    acrossBorders = across
    self.gathered = gathered
  }

  /// The score of a coordinate, for blocks with members in this slice.
  subscript(coordinate: Int) -> Double {
    if slice.contains(coordinate) { return local[coordinate - slice.lowerBound] }
    let (band, start) = acrossBorders.first { $0.band.contains(coordinate) }!
    return gathered[start + coordinate - band.lowerBound]
  }
}

extension Mask {
  /// Removes the weight at a coordinate if this slice holds it.
  fileprivate mutating func remove(_ coordinate: Int) {
    if slice.contains(coordinate) { isKept[coordinate - slice.lowerBound] = false }
  }
}
