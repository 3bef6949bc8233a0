import MPI
import Optimizers
import Sharding

/// Which optimizer, with its settings.
public enum OptimizerChoice: Sendable, Equatable {
  case mfac(MFAC.Configuration)
  case sgd(momentum: Float, weightDecay: WeightDecay)
  case adamw(weightDecay: WeightDecay)

  /// The part of it that lives on a rank.
  ///
  /// - Parameter measuresDirection: whether every step is to tell its direction, also where that takes a
  ///   sum of its own.
  package func make(
    clipNorm: Double?, groups: ParameterGroups, measuresDirection: Bool = false,
    partition: CellPartition, rank: Int
  ) -> any ShardedOptimizer {
    switch self {
    case .mfac(let configuration):
      MFAC(
        configuration, clipNorm: clipNorm, groups: groups, partition: partition, rank: rank)
    case .sgd(let momentum, let weightDecay):
      SGD(
        momentum: momentum, weightDecay: weightDecay, clipNorm: clipNorm, groups: groups,
        measuresDirection: measuresDirection, partition: partition, rank: rank)
    case .adamw(let weightDecay):
      AdamW(
        weightDecay: weightDecay, clipNorm: clipNorm, groups: groups,
        measuresDirection: measuresDirection, partition: partition, rank: rank)
    }
  }

  /// Bytes that it holds on a rank.
  package func bytes(
    groups: ParameterGroups, measuresDirection: Bool = false, partition: CellPartition, rank: Int
  ) -> Int {
    let slice = 4 * partition.slice(of: rank).count
    return switch self {
    case .mfac(let configuration):
      MFAC.bytes(configuration, groups: groups, partition: partition, rank: rank)
    case .sgd: 2 * slice + groups.bytes(partition: partition, rank: rank)
    case .adamw:
      (measuresDirection ? 4 : 3) * slice + groups.bytes(partition: partition, rank: rank)
    }
  }
}
