import Checkpoints
import Datasets
import Formats
import LinearAlgebra
import MPI
import Networks
import Optimizers
import RunRecords
import Sharding
import TrainedModels

/// Reports too many consecutive steps whose gradient was not finite.
public struct NonFiniteGradients: SharedError, DiagnosticError {
  let step: Int
  let skipped: Int

  public var diagnostic: Diagnostic {
    """
    step \(step): the gradient was not finite in \(skipped) consecutive steps (a smaller \
    learning rate or a larger damping may help; \(setting: "on-nonfinite", "skip") continues)
    """
  }
}

/// Reports a network that training has driven beyond what its precision holds.
public struct NonFiniteLoss: SharedError, CustomStringConvertible {
  let model: String

  public var description: String {
    """
    the trained network's test loss is not finite, and it was not saved: \(model) is from an \
    earlier epoch, or does not exist (a smaller learning rate or a larger damping may help)
    """
  }
}

/// Describes how a run ended.
public enum RunEnding: Sendable, Equatable {
  /// The run is finished; the last evaluation is the same on all ranks.
  case finished(Evaluation)
  /// A signal stopped the run after the step; the run can be resumed from a checkpoint. The program
  /// is to exit with the status.
  case stopped(step: Int, exitStatus: Int32)
}

/// Trains a network on all ranks. The parameters, and all that is computed from them, are of the
/// scalar type `Element`.
public final class Trainer<Element: Scalar> {
  let plan: TrainingPlan
  let world: Communicator
  let network: Network<Element>
  package let step: TrainingStep<Element>
  /// State between two steps.
  var state: RunState<Element>
  var groups: ParameterGroups
  let pruner: Pruner<Element>?
  /// Sparsity of the masks with which the run began; nil without masks.
  let initialSparsity: Double?
  /// The run's directory on rank 0; nil on the other ranks.
  let directory: RunDirectory?
  let checkpoints: CheckpointDirectory
  var progress: Progress
  /// Costs of the phases in this process.
  let clock: PhaseClock
  /// Position of the run. A checkpoint adds the numbers that are known only when it is saved.
  var position: Position
  /// Sparsity of the current masks; nil without masks.
  var sparsity: Double?
  var isLogComplete = true

  /// Prints the run summary and memory estimate on rank 0, then allocates the run. Collective.
  ///
  /// - Parameter isDryRun: true if the trainer will not run; then no file is created, and
  ///   everything is printed.
  /// - Throws: on all ranks together. The plan may not fit the ranks or the memory, or the ranks
  ///   may differ in the settings, the data or the weights. `FinishedRun` if the run to be resumed
  ///   is finished.
  public init(_ plan: TrainingPlan, isDryRun: Bool = false, on world: Communicator) throws {
    self.plan = plan
    self.world = world
    clock = PhaseClock(on: world)
    let trainingData = try plan.check(on: world)
    progress = Progress(
      isDryRun ? .lines : plan.progress, on: world,
      totalSteps: plan.schedule.totalSteps, samplesPerStep: plan.batches.batchSize,
      stepsPerEpoch: plan.batches.batchesPerEpoch)
    checkpoints = CheckpointDirectory(ofRun: plan.runDirectory)
    let beginning = try plan.beginning(
      trainingData: trainingData, isDryRun: isDryRun, on: world, progress: &progress)
    let checkpoint = beginning.checkpoint
    let d = plan.network.layout.count
    let partition = CellPartition(Cells(parameterCount: d), over: world.size)
    var masks = try world.agree { try plan.masks(checkpoint, of: Element.self) }
    let pruner: Pruner<Element>? = try plan.pruner(masks, checkpoint, on: world)
    if checkpoint == nil, masks != nil { try pruner?.drawMask(&masks!) }
    if let masks { try world.requireSame(masks) }
    (self.pruner, initialSparsity) = (
      pruner, checkpoint.map(\.manifest.initialSparsity) ?? masks?.sparsity
    )
    let groups = try world.agree { try plan.parameterGroups(staysZero: masks?.removed) }
    self.groups = groups
    func memory(_ plan: TrainingPlan) throws -> MemoryPlan {
      try plan.memory(
        of: Element.self, groups: groups, hasMasks: masks != nil, partition: partition, on: world)
    }
    let needed = try world.agree { try memory(plan) }
    progress.say("\(try plan.summary(partition, groups, masks, needed))")
    try needed.check(on: world) { fits in try plan.memoryRemedy { fits(try memory($0)) } }

    let parts = try RunParts<Element>(plan, groups: groups, partition: partition, on: world)
    (network, step) = (parts.network, parts.step)
    state = RunState(
      network: plan.network, parameters: parts.parameters, statistics: parts.statistics.values,
      optimizer: parts.step.optimizer, masks: masks, partition: partition, rank: world.rank)
    try Self.start(state, plan, groups, checkpoint, on: world)
    sparsity = masks?.sparsity
    position = Position(checkpoint?.manifest, trainingData: trainingData)
    progress.firstStep = position.step
    directory =
      plan.keepsFiles && !isDryRun
      ? try Self.makeDirectory(plan, beginning, fromStep: position.step, on: world) : nil
    if let directory, case .from(let bytes) = beginning.start, directory.metricsBytes < bytes {
      progress.warn(
        "\(plan.runDirectory)/metrics.jsonl: lines of earlier steps are missing: expected \(bytes) "
          + "bytes up to the checkpoint, got \(directory.metricsBytes) in whole lines")
    }
  }

  /// Gives the run its state, from a checkpoint or that of the first step; the same on all ranks.
  /// Collective.
  private static func start(
    _ state: RunState<Element>, _ plan: TrainingPlan, _ groups: ParameterGroups,
    _ checkpoint: Checkpoint?,
    on world: Communicator
  ) throws {
    let (parameters, statistics) = (state.parameters.all, state.statistics.all)
    try world.agree {
      if let checkpoint {
        try checkpoint.restore(state)
        if let index = groups.firstNonzero(of: parameters) {
          throw InputError(
            checkpoint.path, "has weights that its own masks remove", expected: "0",
            got: "\(parameters[index]) as parameter \(index)")
        }
      } else if let file = plan.initialWeights {
        try plan.network.readWeights(from: file, into: parameters, state: statistics)
      } else {
        plan.network.layout.initialize(parameters, seed: plan.seed)
        plan.network.stateLayout.initialize(statistics)
      }
      if checkpoint == nil { state.masks?.mask.apply(to: parameters) }
    }
    try world.requireSame(parameters: parameters, state: statistics)
  }

  /// Trains to the end of the plan, or until a signal stops the run. Collective.
  @discardableResult
  public func run() throws -> RunEnding {
    if plan.keepsFiles { Requests.listenToAll() }
    // A process that was killed after a save may not have removed the older checkpoints.
    if plan.keepsFiles, position.step > 0 { try removeOlderCheckpoints() }
    var batches = plan.batches
    var evaluation: Evaluation?
    if position.step > 0, !position.isEvaluated { evaluation = try evaluate() }
    while position.step < plan.schedule.totalSteps {
      try pruneIfDue()
      let requests = try takeStep(&batches, accuracy: evaluation?.accuracy)
      let stops = requests.exitStatus != nil && !isAtEnd
      // A process that a signal stops has little time left, and skips the evaluation.
      position.isEvaluated = !isEvaluationDue
      if isEvaluationDue, !stops { evaluation = try evaluate() }
      if stops || requests.contains(.save) || isSaveDue { try save() }
      if stops, let status = requests.exitStatus {
        let saved = position.saved.step
        progress.say(
          "Stopped after step \(position.step)"
            + (saved == position.step
              ? "; \(setting: "resume", "auto") continues."
              : ", which was not saved; \(setting: "resume", "auto") "
                + (saved > 0 ? "continues from step \(saved)." : "starts over.")))
        return .stopped(step: position.step, exitStatus: status)
      }
    }
    if plan.logView {
      let view = try LogView(
        clock, steps: plan.schedule.totalSteps - progress.firstStep,
        wallSeconds: progress.seconds, on: world)
      if world.rank == 0 { print(view.text) }
    }
    // A run that was complete when it was resumed has not been evaluated by this process.
    let last = try evaluation ?? evaluate()
    guard last.loss.isFinite else { throw NonFiniteLoss(model: plan.model) }
    progress.say("The trained network is in \(plan.model).")
    return .finished(last)
  }

  private var isAtEnd: Bool { position.step == plan.schedule.totalSteps }

  private var isEvaluationDue: Bool {
    isAtEnd || position.step % plan.evaluationPeriod == 0
  }

  /// Takes the next step and logs it.
  ///
  /// - Returns: the requests of all ranks.
  private func takeStep(_ batches: inout BatchOrder, accuracy: Double?) throws -> Requests {
    let index = position.step
    let epoch = index / batches.batchesPerEpoch + 1
    let rate = plan.schedule.rate(at: index)
    let record = try step.take(
      batches.indices(step: index), step: index, epoch: epoch - 1, learningRate: rate,
      requests: isSaveOverdue ? .save : [])
    position.step += 1
    log(line(of: record, epoch: epoch, learningRate: rate))
    clock.add(record.clock)
    position.skippedInARow = record.outcome.wasApplied ? 0 : position.skippedInARow + 1
    if let notice = record.outcome.notice { progress.warn("step \(index + 1): \(notice)") }
    if position.skippedInARow > 0 {
      progress.say("step \(index + 1): the gradient is not finite; the step is skipped")
    }
    if position.skippedInARow == 10, plan.onNonFinite == .stop {
      throw NonFiniteGradients(step: index + 1, skipped: position.skippedInARow)
    }
    progress.step(index + 1, epoch: epoch, loss: record.loss, accuracy: accuracy)
    return record.requests
  }

  /// Evaluates the network, and saves it. A network whose loss is not finite does not replace a
  /// saved one.
  private func evaluate() throws -> Evaluation {
    let trainingSeconds = trainingSeconds
    let epoch = (position.step + plan.batches.batchesPerEpoch - 1) / plan.batches.batchesPerEpoch
    return try clock.time(.evaluation) {
      let evaluation = try Evaluation(
        of: network, parameters: state.parameters, state: state.statistics,
        on: plan.dataset.test, loss: plan.loss, over: world)
      try world.agree {
        guard directory != nil, evaluation.loss.isFinite else { return }
        do {
          try plan.network.writeWeights(
            state.parameters.all, state: state.statistics.all, to: plan.model)
          try state.masks?.write(to: plan.masksOfModel)
        } catch {
          // After the last step, the network is all that the run has to show.
          if isAtEnd { throw error }
          progress.warn("step \(position.step): the network was not saved: \(error)")
        }
      }
      if !position.isEvaluated || position.step > progress.firstStep {
        var line = MetricsLine(step: position.step, epoch: epoch)
        (line.testLoss, line.testAccuracy) = (evaluation.loss, evaluation.accuracy)
        line.testRmse = plan.rootMeanSquaredError(evaluation)
        (line.trainingSeconds, line.secondsSinceStart) = (trainingSeconds, seconds)
        line.final = isAtEnd && evaluation.loss.isFinite ? true : nil
        log(line)
      }
      position.isEvaluated = true
      progress.say(
        "epoch \(epoch): test loss \(formatNumber(evaluation.loss, digits: 4)), "
          + "\(plan.quality(of: evaluation)) "
          + "after step \(position.step), \(formatNumber(seconds, digits: 1)) s")
      return evaluation
    }
  }
}
