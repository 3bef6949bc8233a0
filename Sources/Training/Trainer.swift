import Datasets
import LinearAlgebra
import MPI
import Networks
import Optimizers
import Sharding

/// Gradients that were not finite in too many steps one after another.
public struct NonFiniteGradients: SharedError, CustomStringConvertible {
  let step: Int
  let skipped: Int

  public var description: String {
    """
    step \(step): the gradient was not finite in \(skipped) steps one after another (a smaller \
    learning rate or a larger damping may help; --on-nonfinite skip goes on)
    """
  }
}

/// A network that training has driven beyond what single precision holds.
public struct NonFiniteLoss: SharedError, CustomStringConvertible {
  let model: String

  public var description: String {
    """
    the trained network's test loss is not finite, and it was not saved: \(model) is of an earlier \
    epoch, or does not exist (a smaller learning rate or a larger damping may help)
    """
  }
}

/// Trains a network on all ranks.
public final class Trainer {
  private let plan: TrainingPlan
  private let world: Communicator
  private let network: Network<Float>
  private let parameters: Buffer<Float>
  private let statistics: RunningStatistics
  package let step: TrainingStep
  /// On rank 0 alone.
  private let directory: RunDirectory?
  private var progress: Progress
  /// Of the whole run.
  private let clock: PhaseClock

  /// Says on rank 0 what is about to run and what memory it takes, and then builds it. Collective.
  ///
  /// - Throws: on all ranks together, where the plan does not fit the ranks or the memory, or the
  ///   ranks do not agree on the settings, the data or the weights.
  public init(_ plan: TrainingPlan, on world: Communicator) throws {
    self.plan = plan
    self.world = world
    clock = PhaseClock(on: world)
    try plan.check(on: world)
    let keepsFiles = world.rank == 0 && plan.keepsFiles
    try world.agree { if keepsFiles { try RunDirectory.checkIsFree(plan.runDirectory) } }
    let microBatches = Partition(of: plan.microBatches, over: world.size)
    let examples = plan.batches.batchSize / plan.microBatches
    let d = plan.network.layout.count
    let partition = CellPartition(Cells(parameterCount: d), over: world.size)
    let groups = try world.agree { try plan.parameterGroups() }
    let memory = try world.agree {
      MemoryPlan(
        optimizer: plan.optimizer.bytes(groups: groups, partition: partition, rank: world.rank),
        vectors: 4 * d + ReduceScatter.bytes(of: microBatches, to: partition, rank: world.rank)
          + RunningStatistics.bytes(
            count: plan.network.stateLayout.count, microBatches: microBatches, on: world)
          // One for training, and one for evaluation.
          + 2 * ExampleBuffer.bytes(plan.dataset.training, capacity: examples),
        activations: try Network<Float>.bytes(for: plan.network, maximumBatch: examples))
    }
    try memory.check(on: world)
    progress = Progress(
      world.rank == 0 ? plan.progress : .none, totalSteps: plan.schedule.totalSteps,
      samplesPerStep: plan.batches.batchSize, stepsPerEpoch: plan.batches.batchesPerEpoch)
    progress.say(try plan.summary(partition, groups, memory))

    network = try Network<Float>(plan.network, maximumBatch: examples)
    parameters = Buffer<Float>(count: d)
    statistics = RunningStatistics(
      count: network.stateCount, microBatches: microBatches, on: world)
    try Self.start(parameters, statistics.values, plan, on: world)
    step = TrainingStep(
      network: network, parameters: parameters, statistics: statistics, seed: plan.seed,
      optimizer: plan.optimizer.make(
        clipNorm: plan.clipNorm, groups: groups, partition: partition, rank: world.rank),
      examples: plan.dataset.training, loss: plan.loss, microBatches: microBatches,
      partition: partition, on: world)
    directory = try world.agree {
      keepsFiles
        ? try RunDirectory(
          plan.runDirectory,
          configuration: "# OpenBLAS core type \(BLAS.coreType), \(world.size) ranks\n"
            + plan.configuration) : nil
    }
  }

  /// Gives the parameters and the running statistics their initial values, the same on all ranks. Collective.
  private static func start(
    _ parameters: Buffer<Float>, _ state: Buffer<Float>, _ plan: TrainingPlan,
    on world: Communicator
  ) throws {
    try world.agree {
      if let file = plan.initialWeights {
        try plan.network.readWeights(from: file, into: parameters.all, state: state.all)
      } else {
        plan.network.layout.initialize(parameters.all, seed: plan.seed)
        plan.network.stateLayout.initialize(state.all)
      }
    }
    var digest = Digest()
    digest.add(UnsafeRawBufferPointer(parameters.all))
    digest.add(UnsafeRawBufferPointer(state.all))
    try world.requireSame("the digest of the initial weights", digest.text)
  }

  /// Trains to the end of the plan. Collective.
  ///
  /// - Returns: the last evaluation, the same on all ranks.
  @discardableResult
  public func run() throws -> Evaluation {
    var batches = plan.batches
    var evaluation: Evaluation?
    var skipped = 0
    for index in 0..<plan.schedule.totalSteps {
      let epoch = index / batches.batchesPerEpoch + 1
      let rate = plan.schedule.rate(at: index)
      let record = try step.take(
        batches.indices(step: index), step: index, epoch: epoch - 1, learningRate: rate)
      clock.add(record.clock)
      try directory?.log(
        RunDirectory.StepLine(
          step: index + 1, epoch: epoch, loss: JSONNumber(record.loss),
          gradientNorm: JSONNumber(record.outcome.gradientNorm), learningRate: rate,
          damping: record.outcome.damping,
          reductionRatio: record.reductionRatio.map(JSONNumber.init),
          skipped: !record.outcome.taken,
          seconds: Dictionary(
            uniqueKeysWithValues: record.clock.seconds.map { ($0.key.rawValue, $0.value) })))
      skipped = record.outcome.taken ? 0 : skipped + 1
      if let notice = record.outcome.notice { progress.say("step \(index + 1): \(notice)") }
      if skipped > 0 {
        progress.say("step \(index + 1): the gradient is not finite; the step is left out")
      }
      if skipped == 10, plan.onNonFinite == .stop {
        throw NonFiniteGradients(step: index + 1, skipped: skipped)
      }
      progress.step(
        index + 1, epoch: epoch, loss: record.loss, accuracy: evaluation?.accuracy)
      let isLast = index + 1 == plan.schedule.totalSteps
      if (index + 1) % (plan.evaluateEvery ?? batches.batchesPerEpoch) == 0 || isLast {
        evaluation = try evaluate(step: index + 1, epoch: epoch)
      }
    }
    if plan.logView {
      let view = try LogView(
        clock, steps: plan.schedule.totalSteps, wallSeconds: progress.seconds, on: world)
      if world.rank == 0 { print(view.text) }
    }
    guard let evaluation, evaluation.loss.isFinite else { throw NonFiniteLoss(model: plan.model) }
    progress.say("The trained network is in \(plan.model).")
    return evaluation
  }

  /// Evaluates the network, and saves it; one whose loss is not finite does not replace one
  /// whose loss is.
  private func evaluate(step: Int, epoch: Int) throws -> Evaluation {
    let trainingSeconds = progress.seconds - (clock.seconds[.evaluation] ?? 0)
    return try clock.time(.evaluation) {
      let evaluation = try Evaluation(
        of: network, parameters: parameters, state: statistics.values, on: plan.dataset.test,
        loss: plan.loss, over: world)
      if let directory {
        if evaluation.loss.isFinite {
          try plan.network.writeWeights(
            parameters.all, state: statistics.values.all, to: plan.model)
        }
        try directory.log(
          RunDirectory.EvaluationLine(
            step: step, epoch: epoch, testLoss: JSONNumber(evaluation.loss),
            testAccuracy: evaluation.accuracy, testRmse: plan.rootMeanSquaredError(evaluation),
            trainingSeconds: trainingSeconds, secondsSinceStart: progress.seconds))
      }
      progress.say(
        "epoch \(epoch): test loss \(formatNumber(evaluation.loss, digits: 4)), "
          + plan.quality(of: evaluation)
          + " after step \(step), \(formatNumber(progress.seconds, digits: 1)) s")
      return evaluation
    }
  }
}
