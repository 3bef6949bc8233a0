import Curvature
import LinearAlgebra
import MPI
import Sharding

/// Judges a weight by what a quadratic model of the loss says of its removal, and lets the weights that
/// stay answer: WoodFisher and M-FAC, with updates for single weights or for all that go together.
public struct FisherPruning: PruningMethod {
  private let rows: GradientRows
  private let partition: CellPartition
  private let damping: Double
  private let gradientScale: Double
  private let isBlockwise: Bool
  private let answer: BrainSurgeon.Update
  private let groups: [Range<Int>]
  private let rank: Int

  /// - Parameters:
  ///   - rows: this rank's columns of the gradients.
  ///   - partition: the cells, and who has which; block by block, a cell is a block.
  ///   - damping: λ > 0.
  ///   - gradientScale: η ≥ 0.
  ///   - isBlockwise: whether the model is taken block by block.
  ///   - groups: of the vector [d]; their weights go together, and are judged so where the model is taken
  ///     whole: the first of them has the saliency of all, the others have none.
  public init(
    rows: GradientRows, partition: CellPartition, damping: Double, gradientScale: Double,
    isBlockwise: Bool, answer: BrainSurgeon.Update, groups: [Range<Int>] = [], rank: Int
  ) {
    self.rows = rows
    self.partition = partition
    self.damping = damping
    self.gradientScale = gradientScale
    self.isBlockwise = isBlockwise
    self.answer = answer
    self.groups = groups
    self.rank = rank
  }

  private func surgeon(_ weights: UnsafeBufferPointer<Float>) -> BrainSurgeon {
    BrainSurgeon(
      rows: rows, partition: partition, weights: weights, damping: damping,
      gradientScale: gradientScale, isBlockwise: isBlockwise, rank: rank)
  }

  public func saliencies(
    of weights: UnsafeBufferPointer<Float>, under mask: Mask, on world: Communicator
  ) throws -> [Double] {
    if !isBlockwise, !groups.isEmpty {
      return try surgeon(weights).costs(
        ofGroups: groups, removing: mask.isKept.map { !$0 },
        slices: (0..<partition.ranks).map(partition.slice(of:)), on: world)
    }
    return try surgeon(weights).coordinates(removing: mask.isKept.map { !$0 }, on: world).map(
      \.cost)
  }

  public func remove(
    by mask: Mask, from weights: UnsafeMutableBufferPointer<Float>, on world: Communicator
  ) throws -> Double? {
    let (updated, prediction) = try surgeon(UnsafeBufferPointer(weights)).update(
      answer, removing: mask.isKept.map { !$0 }, on: world)
    _ = weights.update(fromContentsOf: updated)
    return prediction
  }
}

/// Judges a weight by `w²F_ii/2`, F the diagonal of the damped empirical Fisher matrix alone: Optimal
/// Brain Damage (LeCun, Denker and Solla, 1990). The others stay as they are.
public struct DiagonalPruning: PruningMethod {
  private let rows: GradientRows
  private let damping: Double

  /// - Parameters:
  ///   - rows: this rank's columns of the gradients.
  ///   - damping: λ > 0.
  public init(rows: GradientRows, damping: Double) {
    self.rows = rows
    self.damping = damping
  }

  public func saliencies(
    of weights: UnsafeBufferPointer<Float>, under mask: Mask, on world: Communicator
  ) -> [Double] {
    var saliencies: [Double] = []
    for block in rows.blocks.indices { saliencies += rows.squareSums(ofBlock: block) }
    return zip(saliencies, weights).map { sum, weight in
      Double(weight) * Double(weight) * (damping + sum / Double(rows.count)) / 2
    }
  }

  public func remove(
    by mask: Mask, from weights: UnsafeMutableBufferPointer<Float>, on world: Communicator
  ) -> Double? {
    mask.apply(to: weights)
    return nil
  }
}
