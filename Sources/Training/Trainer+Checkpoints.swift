import Checkpoints
import Formats
import LinearAlgebra
import MPI
import Networks
import Optimizers
import Sharding

extension Trainer {
  /// Seconds since the run's first step, over all processes that have worked on it.
  var seconds: Double { position.secondsBefore + progress.seconds }

  /// `seconds` without spectra, evaluations and checkpoints.
  var trainingSeconds: Double {
    let phases: [Phase] = [.spectrum, .evaluation, .saving]
    let others = phases.reduce(0) { $0 + (clock.seconds[$1] ?? 0) }
    return position.trainingSecondsBefore + progress.seconds - others
  }

  /// True if a checkpoint is due after this step, by the number of steps.
  var isSaveDue: Bool {
    let isPeriodic = plan.saving.everySteps != nil || plan.saving.everySeconds != nil
    return plan.saving.everySteps.map { position.step % $0 == 0 } ?? false
      || isPeriodic && position.step == plan.schedule.totalSteps
  }

  /// True on rank 0 if a checkpoint is due by time; rank 0's clock decides for all ranks.
  var isSaveOverdue: Bool {
    guard world.rank == 0, let period = plan.saving.everySeconds else { return false }
    return ContinuousClock.now - position.saved.at > .seconds(period)
  }

  /// Saves a checkpoint, unless this step has one. If that fails, the run prints a warning and
  /// continues with the earlier checkpoints. Collective.
  func save() throws {
    guard plan.keepsFiles, position.saved.step != position.step else { return }
    let step = position.step
    let start = ContinuousClock.now
    do {
      let bytes = try clock.time(.saving) {
        try world.agree { try checkIsFinite() }
        try world.agree { try directory?.synchronize() }
        return try Checkpoint.save(
          manifest, of: state, in: checkpoints, on: world)
      }
      position.saved.step = step
      let seconds = (ContinuousClock.now - start) / .seconds(1)
      progress.say(
        "saved step \(step) in \(checkpoints.path(step: step)) "
          + "(\(formatBytes(bytes))\(leavesWindow ? " without the window" : ""), "
          + "\(formatNumber(seconds, digits: 2)) s)")
      try removeOlderCheckpoints()
    } catch let error as AgreedError {
      progress.warn("step \(step) was not saved: \(error)")
    }
    position.saved.at = .now
    // Signals do not reach all ranks at the same step: this checkpoint also answers the requests
    // that are still pending.
    Requests.forget(.save)
  }

  /// Removes the checkpoints up to the run's newest one, except the last `keepLast`. Collective.
  func removeOlderCheckpoints() throws {
    do {
      try world.agree {
        guard world.rank == 0 else { return }
        try checkpoints.removeAll(upTo: position.saved.step, butLast: plan.saving.keepLast)
      }
    } catch let error as AgreedError {
      progress.warn("an older checkpoint remains: \(error)")
    }
  }

  private var leavesWindow: Bool {
    plan.optimizer.windowed != nil && !plan.saving.includesWindow
  }

  private var manifest: Manifest {
    let batches = plan.batches.batchesPerEpoch
    let optimizer = state.optimizer.state
    return Manifest(
      step: position.step, epoch: position.step / batches, batchInEpoch: position.step % batches,
      learningRate: plan.schedule.rate(at: position.step), isEvaluated: position.isEvaluated,
      skippedInARow: position.skippedInARow, seconds: seconds, trainingSeconds: trainingSeconds,
      metricsBytes: directory?.metricsBytes ?? 0,
      parameterCount: state.partition.cells.parameterCount, cellSize: state.partition.cells.size,
      cellCount: state.partition.cells.count,
      hasWindow: plan.saving.includesWindow && !optimizer.shared.isEmpty,
      initialSparsity: initialSparsity,
      optimizer: optimizer.numbers, settings: plan.configuration,
      settingsSha256: SHA256.of(plan.configuration), network: plan.networkDigest,
      trainingData: position.trainingData, coreType: Provenance.arithmetic,
      programSha256: Provenance.program, files: [])
  }

  /// Checks that the state is finite. A diverged run must not replace the checkpoint of one that
  /// has not diverged. A manifest cannot hold a number that is not finite.
  private func checkIsFinite() throws {
    let local = state.parameters[state.partition.slice(of: world.rank)]
    guard local.allSatisfy({ $0.isFinite }),
      state.statistics.all.allSatisfy({ $0.isFinite })
    else {
      throw InputError("the network", "has parameters that are not finite")
    }
    if let (name, number) = state.optimizer.state.numbers.first(where: { !$0.value.isFinite }) {
      throw InputError("the optimizer", "its \(name) is not finite", got: "\(number)")
    }
  }
}

/// Holds the position of a run between two steps, as its checkpoints store it.
struct Position {
  /// Steps taken so far.
  var step = 0
  /// Consecutive steps, up to this one, that were skipped.
  var skippedInARow = 0
  /// True if no evaluation remains to be made after the step.
  var isEvaluated = false
  /// Seconds of the earlier processes; `trainingSecondsBefore` are those of training alone.
  let secondsBefore: Double
  let trainingSecondsBefore: Double
  let trainingData: String
  /// The step of the newest checkpoint, and when it was made.
  var saved: (step: Int, at: ContinuousClock.Instant)

  /// Sets the position from a checkpoint, or to the start of a run.
  ///
  /// - Parameters:
  ///   - manifest: the manifest of the checkpoint from which the run resumes; nil for a new run.
  ///   - trainingData: the digest of the training data.
  init(_ manifest: Manifest?, trainingData: String) {
    step = manifest?.step ?? 0
    skippedInARow = manifest?.skippedInARow ?? 0
    isEvaluated = manifest?.isEvaluated ?? false
    secondsBefore = manifest?.seconds ?? 0
    trainingSecondsBefore = manifest?.trainingSeconds ?? 0
    self.trainingData = trainingData
    saved = (step, .now)
  }
}

/// Holds the state of a run between two steps, on this rank.
struct RunState<Element: Scalar> {
  let network: NetworkDescription
  let parameters: Buffer<Element>
  let statistics: Buffer<Element>
  let optimizer: any ShardedOptimizer<Element>
  var masks: Masks?
  let partition: CellPartition
  let rank: Int

  /// The cells of this rank.
  var cells: Range<Int> { partition.cells(of: rank) }

  /// Returns the families of files that hold cells, with the arrays of each of this rank's cells.
  func families(hasWindow: Bool) -> [(name: String, cells: [[StoredArray]])] {
    let state = optimizer.state
    return [("window", hasWindow ? state.window : []), ("momentum", state.momentum)]
      .filter { !$0.1.isEmpty }
  }
}
