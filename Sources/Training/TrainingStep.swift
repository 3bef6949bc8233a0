import Datasets
import LinearAlgebra
import MPI
import Networks
import Optimizers
import Sharding
import TrainedModels

/// Records the outcome of a step, the same on all ranks except for the seconds.
package struct StepRecord {
  /// Mean over the batch, at the parameters before the step.
  package let loss: Double
  package let outcome: StepOutcome
  /// Actual over predicted change of the loss; nil if the optimizer predicts none or the change is
  /// within rounding error.
  package var reductionRatio: Double?
  /// Requests of signals to any rank.
  let requests: Requests
  package let clock: PhaseClock
}

/// Takes a step, from a batch of examples to new parameters. This is the whole journey:
///
/// mini-batch → micro-batch gradients [d] → reduce-scatter → slice of the mean gradient [d/p] →
/// optimizer → all-gather → parameters [d].
///
/// Steps that gather statistics of the layers also do this: micro-batch sums → reduce-scatter →
/// their owners.
///
///   d   parameters          p   ranks
///   B   examples in a batch, cut in M micro-batches of B/M
package final class TrainingStep<Element: Scalar> {
  /// Numbers that are summed for each micro-batch: its loss and the requests.
  package static var lossWidth: Int { 1 + Requests.all.count }

  private let network: Network<Element>
  private let statistics: RunningStatistics<Element>
  private let factors: FactorGathering<Element>?
  private let passes: BatchPasses<Element>
  private let reduction: ReduceScatter<Element>
  private let lossSum: TreeSum
  private let update: ParameterUpdate<Element>
  private let world: Communicator

  init(
    network: Network<Element>, parameters: Buffer<Element>, statistics: RunningStatistics<Element>,
    seed: UInt64,
    optimizer: any ShardedOptimizer<Element>, factors: FactorGathering<Element>?,
    examples: any Examples, loss: Loss, formCount: Int,
    microBatches: Partition, partition: CellPartition, on world: Communicator
  ) {
    (self.network, self.statistics, self.factors) = (network, statistics, factors)
    reduction = ReduceScatter(of: microBatches, to: partition.slices, on: world)
    lossSum = TreeSum(microBatches, rank: world.rank)
    passes = BatchPasses(
      network: network, parameters: parameters, state: statistics.values,
      examples: ExampleBuffer(examples, capacity: network.maximumBatch), loss: loss, seed: seed,
      tangents: OutputTangents(of: network, count: formCount), microBatches: microBatches,
      local: reduction.leaves, lossSum: lossSum, world: world)
    update = ParameterUpdate(optimizer, of: parameters, partition: partition, on: world)
    self.world = world
  }

  package var optimizer: any ShardedOptimizer<Element> { update.optimizer }

  /// Takes a step. Collective.
  ///
  /// - Parameters:
  ///   - batch: the B examples of the whole batch, the same on all ranks; B is a multiple of M.
  ///   - step: the step's number in the run; `epoch` is the epoch's. Both count from 0.
  ///   - requests: the requests of this rank, in addition to those of signals.
  package func take(
    _ batch: ArraySlice<Int>, step: Int, epoch: Int, learningRate: Double, requests: Requests = []
  ) throws -> StepRecord {
    let clock = PhaseClock(on: world)
    world.status.step = step + 1
    let batch = passes.batch(batch, step: step, epoch: epoch)
    var losses: [Double] = []
    for microBatch in reduction.leaves {
      clock.time(.data) { batch.load(microBatch) }
      let (gradient, statistics) = try clock.time(.reduceScatter) {
        (
          try reduction.begin(microBatch: microBatch, on: world),
          try self.statistics.begin(microBatch: microBatch, on: world)
        )
      }
      let pass = batch.pass(microBatch, statistics: statistics)
      try factors?.begin(microBatch: microBatch, on: world, clock: clock)
      losses.append(try compute(gradient, pass, batch, clock: clock))
      try factors?.end(
        passes.examples, parameters: passes.values, state: passes.stateValues, pass, on: world,
        clock: clock)
    }
    let (lossSum, requests) = try clock.time(.loss) {
      try sum(losses, requests.union(Requests.take()))
    }
    let loss = lossSum / Double(batch.predictions)
    let gradient = try clock.time(.reduceScatter) {
      try statistics.reduce(on: world)
      return try reduction.finish(on: world)
    }
    try factors?.finish(on: world, clock: clock)
    let outcome = try update.take(
      gradient, learningRate: learningRate,
      model: QuadraticModel(loss: loss, gaussNewtonForm: batch.gaussNewtonForm), on: world,
      clock: clock)
    if outcome.wasApplied {
      try clock.time(.allGather) { try statistics.finish(updating: network, on: world) }
    }
    var ratio: Double?
    if let predicted = outcome.predictedChange {
      let change = try batch.meanLoss(clock: clock) - loss
      optimizer.changePredicting?.adapt(toChange: change)
      // A change within the rounding error of the two losses has no meaningful ratio; λ adapts to
      // it all the same.
      ratio =
        change.magnitude > loss.magnitude * Double(Element.ulpOfOne) ? change / predicted : nil
    }
    return StepRecord(
      loss: loss, outcome: outcome, reductionRatio: ratio, requests: requests, clock: clock)
  }

  /// Sums the micro-batches' losses and the requests of all ranks. All ranks know the requests at
  /// the same step, without another message.
  private func sum(_ losses: [Double], _ requests: Requests) throws -> (Double, Requests) {
    let asked = Requests.all.map { requests.contains($0) ? 1.0 : 0 }
    var numbers = losses.flatMap { [$0] + asked }
    let sums = try numbers.withUnsafeMutableBufferPointer {
      try lossSum.total(of: $0, width: Self.lossWidth, on: world)
    }
    let all = zip(Requests.all, sums.dropFirst()).filter { $0.1 > 0 }.map(\.0)
    return (sums[0], Requests(all))
  }

  /// Computes the gradient of a micro-batch, and returns the sum of its losses. Finished chunks of
  /// the gradient may be sent before the rest is computed.
  private func compute(
    _ gradient: UnsafeMutableBufferPointer<Element>, _ pass: TrainingPass<Element>,
    _ batch: BatchPasses<Element>.Batch, clock: PhaseClock
  ) throws -> Double {
    let scale = 1 / Element(batch.predictions)
    func lossAndGradient(_ collector: LayerCollector<Element>?) throws -> Double {
      try network.lossAndGradient(
        inputs: passes.examples.inputs, targets: passes.examples.targets,
        parameters: passes.values, state: passes.stateValues, gradient: gradient,
        loss: passes.loss, scale: scale, training: pass, collector: collector
      ) { start in
        try clock.time(.reduceScatter) { try reduction.advance(to: start, on: world) }
      }
    }
    let sum = try clock.time(.gradient) {
      try factors?.pass(scale: scale, lossAndGradient) ?? lossAndGradient(nil)
    }
    try clock.time(.reduceScatter) { try statistics.end(on: world) }
    return sum
  }
}
