import MPI
import Sharding

/// The blocks that have weights in this rank's slice, and their scores.
///
/// A block that lies in the slices of several ranks is known to each of them: the few bands that do
/// are told to all ranks. One rank counts it, the owner of its first weight.
struct Blocks {
  private let slice: Range<Int>
  private let tensors: [WeightTensor]
  private let bands: [BlockBands]
  /// A block's first coordinate, tensor by tensor in their order.
  private var firsts: [Int] = []
  /// The order of the blocks' scores, each the sum of its members'.
  private var keys: [UInt64] = []
  /// For each tensor, which of them are its own.
  private var ofTensor: [Range<Int>] = []
  private let scores: Scores

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
    self.scores = try Scores(
      scores, of: zip(self.tensors, bands).map { $0 }, partition: partition, on: world)
    for bands in bands {
      let start = firsts.count
      bands.forEachBlock(touching: slice) { [scores = self.scores] first in
        // From +0 on, no sum is −0.
        let sum = bands.members.reduce(0) { $0 + scores[first + $1] }
        firsts.append(first)
        keys.append(Boundary.key(of: sum))
      }
      ofTensor.append(start..<firsts.count)
    }
  }

  /// The boundary after `count` blocks of a tensor. Collective.
  func boundary(after count: Int, of tensor: Int, on world: Communicator) throws -> Boundary? {
    try boundary(after: count, among: ofTensor[tensor].filter(isCounted), on: world)
  }

  /// The boundary after `count` blocks of all tensors, none of them beyond its tensor's limit.
  /// Collective.
  func boundary(
    after count: Int, upTo limits: [Boundary?], on world: Communicator
  ) throws -> Boundary? {
    let eligible = zip(ofTensor, limits).flatMap { blocks, limit in
      blocks.filter { isCounted($0) && (limit?.takes(keys[$0], at: firsts[$0]) ?? false) }
    }
    return try boundary(after: count, among: eligible, on: world)
  }

  private func isCounted(_ block: Int) -> Bool { slice.contains(firsts[block]) }

  private func boundary(
    after count: Int, among blocks: [Int], on world: Communicator
  ) throws -> Boundary? {
    try Boundary(
      after: count, of: blocks.map { keys[$0] }, at: blocks.map { firsts[$0] }, on: world)
  }

  /// Removes the blocks up to their tensor's boundary.
  func mask(upTo boundaries: [Boundary?]) -> Mask {
    var mask = Mask(slice: slice)
    for (tensor, boundary) in boundaries.enumerated() {
      guard let boundary else { continue }
      for block in ofTensor[tensor] where boundary.takes(keys[block], at: firsts[block]) {
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

extension Mask {
  /// Removes the weight at a coordinate, where it is of this slice.
  fileprivate mutating func remove(_ coordinate: Int) {
    if slice.contains(coordinate) { isKept[coordinate - slice.lowerBound] = false }
  }
}
