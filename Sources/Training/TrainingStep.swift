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
/// For K-FAC in some of the steps: micro-batch sums of Kronecker factors → reduce-scatter → their
/// owners' averages.
///
///   d   parameters          p   ranks
///   B   examples in a batch, cut in M micro-batches of B/M
package final class TrainingStep {
  /// What a step leaves behind, the same on all ranks but for the seconds.
  package struct Record {
    /// Mean over the batch, at the parameters before the step.
    package let loss: Double
    package let outcome: StepOutcome
    /// Actual to predicted change of the loss, where the optimizer asks.
    package var reductionRatio: Double?
    /// What signals to any rank ask for.
    let requests: Requests
    package let clock: PhaseClock
  }

  /// Numbers of a micro-batch that are summed with its loss: the requests.
  package static let lossWidth = 1 + Requests.all.count

  private let network: Network<Float>
  private let parameters: Buffer<Float>
  private let statistics: RunningStatistics
  private let seed: UInt64
  private let factors: FactorGathering?
  private let examples: ExampleBuffer
  private let loss: Loss
  private let microBatches: Partition
  private let reduction: ReduceScatter
  private let lossSum: TreeSum
  private let update: ParameterUpdate
  private let world: Communicator

  init(
    network: Network<Float>, parameters: Buffer<Float>, statistics: RunningStatistics, seed: UInt64,
    optimizer: any ShardedOptimizer, factors: FactorGathering?, examples: any Examples, loss: Loss,
    microBatches: Partition, partition: CellPartition, on world: Communicator
  ) {
    self.network = network
    self.parameters = parameters
    self.statistics = statistics
    self.seed = seed
    self.factors = factors
    self.examples = ExampleBuffer(examples, capacity: network.maximumBatch)
    self.loss = loss
    self.microBatches = microBatches
    reduction = ReduceScatter(of: microBatches, to: partition.slices, on: world)
    lossSum = TreeSum(microBatches, rank: world.rank)
    update = ParameterUpdate(optimizer, of: parameters, partition: partition, on: world)
    self.world = world
    if let optimizer = optimizer as? KFAC {
      optimizer.gaussNewtonForm = { [unowned self] in try gaussNewtonForm($0) }
    }
  }

  /// The batch of the step that is being taken.
  private var current: (batch: ArraySlice<Int>, step: Int, epoch: Int) = ([], 0, 0)

  package var optimizer: any ShardedOptimizer { update.optimizer }

  /// Collective.
  ///
  /// - Parameters:
  ///   - batch: the examples of the whole batch, the same on all ranks; B, a multiple of M.
  ///   - step: the step's number in the run, and `epoch` the epoch's, both from 0.
  ///   - requests: this rank's, beside those of signals.
  package func take(
    _ batch: ArraySlice<Int>, step: Int, epoch: Int, learningRate: Double, requests: Requests = []
  ) throws -> Record {
    let clock = PhaseClock(on: world)
    world.place.step = step + 1
    current = (batch, step, epoch)
    let predictions = batch.count * network.positions
    var losses: [Double] = []
    for microBatch in reduction.leaves {
      clock.time(.data) { load(microBatch, of: batch, epoch: epoch) }
      let (gradient, statistics) = try clock.time(.reduceScatter) {
        (
          try reduction.begin(microBatch: microBatch, on: world),
          try self.statistics.begin(microBatch: microBatch, on: world)
        )
      }
      let pass = pass(microBatch, of: batch, step: step, statistics: statistics)
      try factors?.begin(microBatch: microBatch, on: world, clock: clock)
      losses.append(
        try compute(gradient, pass, scale: 1 / Float(predictions), clock: clock))
      try factors?.end(
        examples, parameters: UnsafeBufferPointer(parameters.all),
        state: UnsafeBufferPointer(self.statistics.values.all), pass, on: world, clock: clock)
    }
    let (loss, requests) = try clock.time(.loss) {
      let (sum, requests) = try sum(losses, requests.union(Requests.take()))
      return (sum / Double(predictions), requests)
    }
    let gradient = try clock.time(.reduceScatter) {
      try statistics.reduce(on: world)
      return try reduction.finish(on: world)
    }
    try factors?.finish(on: world, clock: clock)
    let outcome = try update.take(gradient, learningRate: learningRate, on: world, clock: clock)
    if outcome.taken {
      try clock.time(.allGather) { try statistics.finish(updating: network, on: world) }
    }
    var ratio: Double?
    if let predicted = outcome.predictedChange {
      let change = try lossAgain(batch, step: step, epoch: epoch, clock: clock) - loss
      optimizer.adapt(toChange: change)
      // A change within the rounding of the two losses says nothing; λ takes it as it comes.
      ratio = change.magnitude > loss.magnitude * Double(Float.ulpOfOne) ? change / predicted : nil
    }
    return Record(
      loss: loss, outcome: outcome, reductionRatio: ratio, requests: requests, clock: clock)
  }

  /// The micro-batches' losses summed, and beside them what any rank has been asked for: all know it at
  /// the same step, for no message more.
  private func sum(_ losses: [Double], _ requests: Requests) throws -> (Double, Requests) {
    let asked = Requests.all.map { requests.contains($0) ? 1.0 : 0 }
    var numbers = losses.flatMap { [$0] + asked }
    let sums = try numbers.withUnsafeMutableBufferPointer {
      try lossSum.total(of: $0, width: Self.lossWidth, on: world)
    }
    let all = zip(Requests.all, sums.dropFirst()).filter { $0.1 > 0 }.map(\.0)
    return (sums[0], Requests(all))
  }

  /// The gradient of a micro-batch, of which blocks may leave before the whole of it is there; returns
  /// the sum of its losses.
  private func compute(
    _ gradient: UnsafeMutableBufferPointer<Float>, _ pass: TrainingPass<Float>, scale: Float,
    clock: PhaseClock
  ) throws -> Double {
    func lossAndGradient(_ collector: LayerCollector<Float>?) throws -> Double {
      try network.lossAndGradient(
        inputs: examples.inputs, targets: examples.targets,
        parameters: UnsafeBufferPointer(parameters.all),
        state: UnsafeBufferPointer(statistics.values.all), gradient: gradient, loss: loss,
        scale: scale, training: pass, collector: collector
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

  /// The mean loss of the batch at the parameters as they are now, in the same passes: the same
  /// examples with the same augmentation, the same dropouts, and batch-norms on the micro-batch's own
  /// statistics, which nothing else sees. Collective.
  private func lossAgain(
    _ batch: ArraySlice<Int>, step: Int, epoch: Int, clock: PhaseClock
  ) throws -> Double {
    let unused = Buffer<Float>(count: network.stateCount)
    var losses: [Double] = []
    for microBatch in reduction.leaves {
      clock.time(.data) { load(microBatch, of: batch, epoch: epoch) }
      clock.time(.gradient) {
        losses.append(
          network.evaluate(
            inputs: examples.inputs, targets: examples.targets,
            parameters: UnsafeBufferPointer(parameters.all),
            state: UnsafeBufferPointer(statistics.values.all), loss: self.loss,
            training: pass(microBatch, of: batch, step: step, statistics: unused.all)
          ).lossSum)
      }
    }
    return try clock.time(.loss) {
      try lossSum.total(of: losses, on: world) / Double(batch.count * network.positions)
    }
  }

  /// `vᵢᵀ G vⱼ` with the Gauss–Newton matrix G of the mean loss of the batch, in the step's own passes,
  /// as a matrix [k, k]. Collective.
  ///
  /// - Parameter vectors: k, each of shape [d] and the same on all ranks.
  private func gaussNewtonForm(_ vectors: [UnsafeBufferPointer<Float>]) throws -> [Double] {
    let (batch, step, epoch) = current
    let count = batch.count / microBatches.items * network.positions * network.outputCount
    let (outputs, tangents) = (
      Buffer<Float>(count: count), Buffer<Float>(count: vectors.count * count)
    )
    let unused = Buffer<Float>(count: network.stateCount)
    var numbers: [Double] = []
    for microBatch in reduction.leaves {
      load(microBatch, of: batch, epoch: epoch)
      network.outputTangents(
        inputs: examples.inputs, parameters: UnsafeBufferPointer(parameters.all),
        state: UnsafeBufferPointer(statistics.values.all), directions: vectors,
        outputs: outputs.all, tangents: tangents.all,
        training: pass(microBatch, of: batch, step: step, statistics: unused.all))
      numbers += loss.hessianForm(
        outputs: UnsafeBufferPointer(outputs.all), outputCount: network.outputCount,
        tangents: UnsafeBufferPointer(tangents.all), count: vectors.count)
    }
    let predictions = Double(batch.count * network.positions)
    return try numbers.withUnsafeMutableBufferPointer {
      try lossSum.total(of: $0, width: vectors.count * vectors.count, on: world)
    }.map { $0 / predictions }
  }

  private func pass(
    _ microBatch: Int, of batch: ArraySlice<Int>, step: Int,
    statistics: UnsafeMutableBufferPointer<Float>
  ) -> TrainingPass<Float> {
    TrainingPass(
      statistics: statistics, seed: seed, step: step,
      firstExample: microBatch * batch.count / microBatches.items)
  }

  private func load(_ microBatch: Int, of batch: ArraySlice<Int>, epoch: Int) {
    let range = Partition(of: batch.count, over: microBatches.items).range(of: microBatch)
    let indices = batch[batch.startIndex + range.lowerBound..<batch.startIndex + range.upperBound]
    examples.load(indices, epoch: epoch)
  }
}
