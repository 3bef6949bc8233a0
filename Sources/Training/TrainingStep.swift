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
package final class TrainingStep {
  /// What a step leaves behind, the same on all ranks but for the seconds.
  package struct Record {
    /// Mean over the batch, at the parameters before the step.
    package let loss: Double
    package let outcome: StepOutcome
    package let clock: PhaseClock
  }

  private let network: Network<Float>
  private let parameters: Buffer<Float>
  private let statistics: RunningStatistics
  private let seed: UInt64
  package let optimizer: any ShardedOptimizer
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
  package func take(
    _ batch: ArraySlice<Int>, step: Int, epoch: Int, learningRate: Double
  ) throws -> Record {
    let clock = PhaseClock(on: world)
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
      gradient.span, updating: &updated, learningRate: learningRate, on: world, clock: clock,
      updated: { _ in })
    try clock.time(.allGather) {
      try statistics.finish(updating: network, keep: outcome.taken, on: world)
    }
    if outcome.taken {
      try clock.time(.allGather) { try world.allGather(parameters.all, slices: slices) }
    }
    return Record(loss: meanLoss, outcome: outcome, clock: clock)
  }

  private func load(_ microBatch: Int, of batch: ArraySlice<Int>, epoch: Int) {
    let range = Partition(of: batch.count, over: microBatches.items).range(of: microBatch)
    let indices = batch[batch.startIndex + range.lowerBound..<batch.startIndex + range.upperBound]
    examples.load(indices, epoch: epoch)
  }
}
