import MPI
import Optimizers
import Sharding

/// Which optimizer, with its settings.
public enum OptimizerChoice: Sendable, Equatable {
  case mfac(ShardedMFAC.Configuration)
  case sgd(momentum: Float, weightDecay: WeightDecay)
  case adamw(weightDecay: WeightDecay)
  case kfac(KFAC.Configuration, KroneckerSettings)

  /// The part of it that lives on a rank.
  ///
  /// - Parameters:
  ///   - layers: those with Kronecker factors.
  ///   - measuresDirection: whether every step is to tell its direction, also where that takes a sum of
  ///     its own.
  package func make(
    layers: [KFAC.Layer] = [], microBatches: Partition, clipNorm: Double?,
    groups: ParameterGroups, measuresDirection: Bool = false, partition: CellPartition,
    on world: Communicator
  ) throws -> any ShardedOptimizer {
    let rank = world.rank
    return switch self {
    case .mfac(let configuration):
      ShardedMFAC(
        configuration, clipNorm: clipNorm, groups: groups, partition: partition, rank: rank)
    case .sgd(let momentum, let weightDecay):
      SGD(
        momentum: momentum, weightDecay: weightDecay, clipNorm: clipNorm, groups: groups,
        measuresDirection: measuresDirection, partition: partition, rank: rank)
    case .adamw(let weightDecay):
      AdamW(
        weightDecay: weightDecay, clipNorm: clipNorm, groups: groups,
        measuresDirection: measuresDirection, partition: partition, rank: rank)
    case .kfac(let configuration, _):
      try KFAC(
        configuration, layers: layers, microBatches: microBatches, clipNorm: clipNorm,
        groups: groups, measuresDirection: measuresDirection, partition: partition, on: world)
    }
  }

  /// Bytes that it holds on a rank.
  package func bytes(
    layers: [KFAC.Layer] = [], microBatches: Partition, groups: ParameterGroups,
    measuresDirection: Bool = false, partition: CellPartition, rank: Int
  ) -> Int {
    let slice = 4 * partition.slice(of: rank).count
    return switch self {
    case .mfac(let configuration):
      ShardedMFAC.bytes(configuration, groups: groups, partition: partition, rank: rank)
    case .sgd: 2 * slice + groups.bytes(partition: partition, rank: rank)
    case .adamw:
      (measuresDirection ? 4 : 3) * slice + groups.bytes(partition: partition, rank: rank)
    case .kfac(let configuration, _):
      KFAC.bytes(
        configuration, layers: layers, microBatches: microBatches, groups: groups,
        partition: partition, rank: rank)
    }
  }
}
