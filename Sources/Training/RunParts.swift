import LinearAlgebra
import MPI
import Networks
import Optimizers
import Sharding

/// Holds the objects on a rank that take a run's steps. They allocate all their memory when they
/// are created.
struct RunParts<Element: Scalar> {
  let network: Network<Element>
  let parameters: Buffer<Element>
  let statistics: RunningStatistics<Element>
  let step: TrainingStep<Element>

  /// Creates the objects. Collective.
  init(
    _ plan: TrainingPlan, groups: ParameterGroups, partition: CellPartition,
    on world: Communicator
  ) throws {
    let microBatches = Partition(of: plan.microBatches, over: world.size)
    network = try MemoryCount.for(.activations) {
      let network = try Network<Element>(plan.network, maximumBatch: plan.microBatchSize)
      if plan.formCount > 0 { network.prepareTangents() }
      return network
    }
    (parameters, statistics) = MemoryCount.for(.vectors) { [network] in
      (
        Buffer(count: network.parameterCount),
        RunningStatistics(count: network.stateCount, microBatches: microBatches, on: world)
      )
    }
    let optimizer: any ShardedOptimizer<Element> = try plan.optimizer.make(
      plan.optimizerContext(groups, partition), on: world)
    let factors = try FactorGathering(
      optimizer, plan, network, microBatches: microBatches.range(of: world.rank))
    step = MemoryCount.for(.vectors) { [network, parameters, statistics] in
      TrainingStep(
        network: network, parameters: parameters, statistics: statistics, seed: plan.seed,
        optimizer: optimizer, factors: factors, examples: plan.dataset.training, loss: plan.loss,
        formCount: plan.formCount, microBatches: microBatches, partition: partition, on: world)
    }
  }
}

extension TrainingPlan {
  /// Examples in a micro-batch.
  var microBatchSize: Int { batches.batchSize / microBatches }
  /// Largest number of vectors in a step's product with the Gauss–Newton matrix.
  var formCount: Int { optimizer.layerStatistics?.formCount ?? 0 }
}
