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
    let clock: PhaseClock
  }

  private let network: Network<Float>
  private let parameters: Buffer<Float>
  private let optimizer: any ShardedOptimizer
  private let examples: any Examples
  private let loss: Loss
  private let microBatches: Partition
  private let reduction: ReduceScatter
  private let slices: [Range<Int>]
  private let inputs: Buffer<Float>
  private let labels: Buffer<Int32>
  private let world: Communicator

  init(
    network: Network<Float>, parameters: Buffer<Float>, optimizer: any ShardedOptimizer,
    examples: any Examples, loss: Loss, microBatches: Partition, partition: CellPartition,
    on world: Communicator
  ) {
    self.network = network
    self.parameters = parameters
    self.optimizer = optimizer
    self.examples = examples
    self.loss = loss
    self.microBatches = microBatches
    reduction = ReduceScatter(of: microBatches, to: partition, rank: world.rank)
    slices = (0..<world.size).map(partition.slice(of:))
    inputs = Buffer(count: network.maximumBatch * network.inputCount)
    labels = Buffer(count: network.maximumBatch)
    self.world = world
  }

  /// Collective.
  ///
  /// - Parameters:
  ///   - batch: the examples of the whole batch, the same on all ranks; B, a multiple of M.
  ///   - epoch: from 0, for the examples' augmentation.
  func take(_ batch: ArraySlice<Int>, epoch: Int, learningRate: Double) throws -> Record {
    var clock = PhaseClock()
    var lossSums: [Double] = []
    for microBatch in reduction.leaves {
      clock.time(.data) { load(microBatch, of: batch, epoch: epoch) }
      clock.time(.gradient) {
        reduction.add(microBatch: microBatch) { gradient in
          lossSums.append(
            network.lossAndGradient(
              inputs: UnsafeBufferPointer(inputs.all), labels: UnsafeBufferPointer(labels.all),
              parameters: UnsafeBufferPointer(parameters.all), gradient: gradient, loss: loss,
              scale: 1 / Float(batch.count)))
        }
      }
    }
    let meanLoss = try clock.time(.loss) {
      try world.sum(of: lossSums, over: microBatches) / Double(batch.count)
    }
    let gradient = try clock.time(.reduceScatter) { try reduction.finish(on: world) }
    let slice = parameters[slices[world.rank]]
    var updated = slice.mutableSpan
    let outcome = try optimizer.step(
      gradient.span, updating: &updated, learningRate: learningRate, on: world, clock: &clock)
    if outcome.taken {
      try clock.time(.allGather) { try world.allGather(parameters.all, slices: slices) }
    }
    return Record(loss: meanLoss, outcome: outcome, clock: clock)
  }

  private func load(_ microBatch: Int, of batch: ArraySlice<Int>, epoch: Int) {
    let range = Partition(of: batch.count, over: microBatches.items).range(of: microBatch)
    let indices = batch[batch.startIndex + range.lowerBound..<batch.startIndex + range.upperBound]
    examples.fill(inputs: inputs.all, with: indices, epoch: epoch)
    examples.fill(classes: labels.all, with: indices)
  }
}
