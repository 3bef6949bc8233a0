import Datasets
import LinearAlgebra
import MPI
import Networks
import Optimizers
import Sharding

/// One step, from a batch of examples to new parameters. This is the whole journey:
///
/// mini-batch → micro-batch gradients [d] → reduce-scatter → slice of the mean gradient [d/p] →
/// optimizer (for M-FAC: slot of the window, its part of the Gram row, sum over ranks [m], K and
/// its Cholesky factor, coefficients c, slice of the direction Gᵀc, update) → all-gather →
/// parameters [d].
///
///   d   parameters          p   ranks
///   B   examples in a batch, cut in M micro-batches of B/M
final class TrainingStep {
  /// What a step leaves behind, the same on all ranks but for the seconds.
  struct Record {
    /// Mean over the batch, at the parameters before the step.
    let loss: Double
    let outcome: StepOutcome
    /// Actual to predicted change of the loss, where the optimizer asks.
    var reductionRatio: Double?
    let clock: PhaseClock
  }

  private let network: Network<Float>
  private let parameters: Buffer<Float>
  private let statistics: RunningStatistics
  private let seed: UInt64
  private let optimizer: any ShardedOptimizer
  private let examples: ExampleBuffer
  private let loss: Loss
  private let microBatches: Partition
  private let reduction: ReduceScatter
  private let slices: [Range<Int>]
  private let world: Communicator

  init(
    network: Network<Float>, parameters: Buffer<Float>, statistics: RunningStatistics, seed: UInt64,
    optimizer: any ShardedOptimizer, examples: any Examples, loss: Loss, microBatches: Partition,
    partition: CellPartition, on world: Communicator
  ) {
    self.network = network
    self.parameters = parameters
    self.statistics = statistics
    self.seed = seed
    self.optimizer = optimizer
    self.examples = ExampleBuffer(examples, capacity: network.maximumBatch)
    self.loss = loss
    self.microBatches = microBatches
    reduction = ReduceScatter(of: microBatches, to: partition, rank: world.rank)
    slices = (0..<world.size).map(partition.slice(of:))
    self.world = world
  }

  /// Collective.
  ///
  /// - Parameters:
  ///   - batch: the examples of the whole batch, the same on all ranks; B, a multiple of M.
  ///   - step: the step's number in the run, and `epoch` the epoch's, both from 0.
  func take(
    _ batch: ArraySlice<Int>, step: Int, epoch: Int, learningRate: Double
  ) throws -> Record {
    var clock = PhaseClock()
    var lossSums: [Double] = []
    let predictions = batch.count * network.positions
    for microBatch in reduction.leaves {
      clock.time(.data) { load(microBatch, of: batch, epoch: epoch) }
      clock.time(.gradient) {
        reduction.add(microBatch: microBatch) { gradient in
          statistics.add(microBatch: microBatch) { statistics in
            lossSums.append(
              network.lossAndGradient(
                inputs: examples.inputs, targets: examples.targets,
                parameters: UnsafeBufferPointer(parameters.all),
                state: UnsafeBufferPointer(self.statistics.values.all), gradient: gradient,
                loss: loss, scale: 1 / Float(predictions),
                training: TrainingPass(
                  statistics: statistics, seed: seed, step: step,
                  firstExample: microBatch * batch.count / microBatches.items)))
          }
        }
      }
    }
    let meanLoss = try clock.time(.loss) {
      try world.sum(of: lossSums, over: microBatches) / Double(predictions)
    }
    let gradient = try clock.time(.reduceScatter) { try reduction.finish(on: world) }
    let slice = parameters[slices[world.rank]]
    var updated = slice.mutableSpan
    let outcome = try optimizer.step(
      gradient.span, updating: &updated, learningRate: learningRate, on: world, clock: &clock,
      updated: { _ in })
    try clock.time(.allGather) {
      try statistics.finish(updating: network, keep: outcome.taken, on: world)
    }
    if outcome.taken {
      try clock.time(.allGather) { try world.allGather(parameters.all, slices: slices) }
    }
    var ratio: Double?
    if let predicted = outcome.predictedChange {
      let after = try lossAgain(batch, step: step, epoch: epoch, clock: &clock)
      optimizer.adapt(toChange: after - meanLoss)
      ratio = (after - meanLoss) / predicted
    }
    return Record(loss: meanLoss, outcome: outcome, reductionRatio: ratio, clock: clock)
  }

  /// The mean loss of the batch at the parameters as they are now, in the same passes: the same
  /// examples with the same augmentation, the same dropouts, and batch-norms on the micro-batch's own
  /// statistics, which nothing else sees. Collective.
  private func lossAgain(
    _ batch: ArraySlice<Int>, step: Int, epoch: Int, clock: inout PhaseClock
  ) throws -> Double {
    let unused = Buffer<Float>(count: network.stateCount)
    var lossSums: [Double] = []
    for microBatch in reduction.leaves {
      clock.time(.data) { load(microBatch, of: batch, epoch: epoch) }
      clock.time(.gradient) {
        lossSums.append(
          network.evaluate(
            inputs: examples.inputs, targets: examples.targets,
            parameters: UnsafeBufferPointer(parameters.all),
            state: UnsafeBufferPointer(statistics.values.all), loss: loss,
            training: TrainingPass(
              statistics: unused.all, seed: seed, step: step,
              firstExample: microBatch * batch.count / microBatches.items)
          ).lossSum)
      }
    }
    return try clock.time(.loss) {
      try world.sum(of: lossSums, over: microBatches) / Double(batch.count * network.positions)
    }
  }

  private func load(_ microBatch: Int, of batch: ArraySlice<Int>, epoch: Int) {
    let range = Partition(of: batch.count, over: microBatches.items).range(of: microBatch)
    let indices = batch[batch.startIndex + range.lowerBound..<batch.startIndex + range.upperBound]
    examples.load(indices, epoch: epoch)
  }
}
