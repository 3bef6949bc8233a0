import Checkpoints
import Formats
import Foundation
import MPI
import Networks

/// A run that was to go on, and has come to its end already: all that it was to write is there.
public struct FinishedRun: SharedError, CustomStringConvertible {
  /// What there is, in one line.
  public let description: String
}

extension TrainingPlan {
  /// Where a run begins, and what becomes of what is in its directory.
  struct Beginning {
    /// Found whole and of settings that go with the plan's; nil for the first step.
    var checkpoint: Checkpoint?
    /// On rank 0.
    var start = RunDirectory.Start.new
    /// On rank 0, where there is something in the directory.
    var lock: RunLock?
  }

  /// Finds out where the run begins. Says on rank 0 what the user should know of it. Collective.
  ///
  /// - Parameter isDryRun: whether nothing is to be written.
  /// - Throws: on all ranks together: `FinishedRun` where there is nothing left to do.
  func beginning(
    trainingData: String, isDryRun: Bool, on world: Communicator, progress: inout Progress
  ) throws -> Beginning {
    var beginning = Beginning()
    guard keepsFiles else { return beginning }
    // Before anything is read: who writes there may be removing it.
    let remains = try world.agree {
      world.rank == 0 ? try look(&beginning.lock, isDryRun: isDryRun) : nil
    }
    if overwrites { beginning.start = .overwriting }
    switch resume {
    case .never:
      try world.agree { if !overwrites { try remains?.checkIsFree(totalSteps: steps) } }
      return beginning
    case .automatic:
      let finished = try world.agree { try remains?.finished(as: self) ?? "" }
      let text = try world.allGather(finished)[0]
      guard text.isEmpty else { throw FinishedRun(description: text) }
      beginning.checkpoint = try Checkpoint.newestWhole(
        in: CheckpointDirectory(ofRun: runDirectory), on: world
      ) { progress.warn($0) }
    case .from(let path):
      let checkpoint = try Checkpoint.verified(path, on: world)
      try world.agree { try remains.map { try checkIsFree(for: checkpoint, $0) } }
      beginning.checkpoint = checkpoint
    }
    guard let checkpoint = beginning.checkpoint else {
      if let remains, !remains.isEmpty { beginning.start = .over }
      startOver(remains, &progress)
      return beginning
    }
    if isOwn(checkpoint) {
      beginning.start = .from(metricsBytes: checkpoint.manifest.metricsBytes)
    }
    try goOn(from: checkpoint, trainingData: trainingData, on: world, &progress)
    return beginning
  }

  private var steps: Int { schedule.totalSteps }

  /// Takes the run's directory where there is something in it, and looks what that is.
  private func look(
    _ lock: inout RunLock?, isDryRun: Bool
  ) throws(InputError) -> RunDirectory.Remains {
    if isDryRun {
      try RunLock.checkIsFree(runDirectory)
    } else {
      // A directory without a run is not made before all is known to be well.
      var isTaken = RunLock.isKnown(in: runDirectory)
      if !isTaken { isTaken = try !RunDirectory.Remains(of: runDirectory).isEmpty }
      if isTaken { lock = try RunLock(runDirectory) }
    }
    return try RunDirectory.Remains(of: runDirectory)
  }

  /// Says that a run begins at its first step, and what becomes of an earlier start.
  private func startOver(_ remains: RunDirectory.Remains?, _ progress: inout Progress) {
    let isSaved = saving.everySteps != nil || saving.everySeconds != nil
    let setting: Diagnostic = "\(setting: "save-every-minutes", 10)"
    if let remains, remains.isWorthKeeping {
      progress.warn(
        "\(runDirectory): an earlier start came to step \(remains.steps) and to no checkpoint: its "
          + "files "
          + "go to \(remains.asidePath), and the run starts over"
          + (isSaved ? "" : " (with \(setting) the next start will go on)"))
    }
    progress.say(
      "resume     no checkpoint in \(CheckpointDirectory(ofRun: runDirectory).path): from the "
        + "first step"
        + (isSaved ? "" : "; none are made but on a signal (\(setting) makes them)"))
  }

  /// Checks a checkpoint against the plan, and says what differs. Collective.
  private func goOn(
    from checkpoint: Checkpoint, trainingData: String, on world: Communicator,
    _ progress: inout Progress
  ) throws {
    let manifest = checkpoint.manifest
    try world.agree { try check(checkpoint) }
    progress.say("resume     at step \(manifest.step) from \(checkpoint.path)")
    for difference in manifest.differences(from: configuration) {
      progress.say("           \(difference.diagnostic), other than when it was saved")
    }
    if manifest.trainingData != trainingData {
      progress.warn("the training data are not those that the checkpoint was trained on")
    }
    if !manifest.hasWindow, optimizer.windowed != nil {
      progress.say("           the window is not in it, and fills anew")
    }
    for (what, stored, now) in [
      ("OpenBLAS core type", manifest.coreType, Provenance.arithmetic),
      ("build of the program", manifest.programSha256, Provenance.program),
    ] where stored != now {
      progress.warn(
        "the checkpoint is of another \(what) (\(stored.prefix(16)), here \(now.prefix(16))): the "
          + "run "
          + "goes on, but its bytes may differ from one that was never stopped")
    }
  }

  var networkDigest: String { SHA256.of("\(network.input)\n\(network.layers)") }

  /// Whether the checkpoint is one of the run's directory.
  private func isOwn(_ checkpoint: Checkpoint) -> Bool {
    func real(_ path: String) -> String? {
      guard let name = realpath(path, nil) else { return nil }
      defer { free(name) }
      return String(cString: name)
    }
    let local = real(CheckpointDirectory(ofRun: runDirectory).path)
    return local != nil && real("\(checkpoint.path)/..") == local
  }

  /// Refuses to go on in a directory from elsewhere than its newest checkpoint, or from another
  /// run's in one with a run: what there is would be mixed with what comes.
  private func checkIsFree(
    for checkpoint: Checkpoint, _ remains: RunDirectory.Remains
  ) throws(InputError) {
    guard isOwn(checkpoint) else {
      if !overwrites { try remains.checkIsFree(totalSteps: steps) }
      return
    }
    guard !overwrites else {
      throw InputError(
        setting: "overwrite", "would remove the checkpoint that the run is to go on from",
        expected: "it without \(setting: "resume"), or with a checkpoint from elsewhere",
        got: "\(checkpoint.path)")
    }
    _ = try remains.finished(as: self)
    if let newest = remains.checkpoints.first, newest > checkpoint.manifest.step {
      throw InputError(
        setting: "resume", "there are checkpoints after that of step \(checkpoint.manifest.step)",
        expected: "another \(setting: "run-directory"), such as \(remains.freePath)",
        got: "\(newest) in \(runDirectory)")
    }
  }

  /// Refuses a checkpoint that means something else with the plan's settings.
  private func check(_ checkpoint: Checkpoint) throws {
    let manifest = checkpoint.manifest
    let fixed = ["model", "precision", "optimizer"] + optimizer.fixedSettings + ["sparse"]
    for difference in manifest.differences(from: configuration)
    where fixed.contains(difference.key) {
      // A model file may be elsewhere now.
      if difference.key == "model", manifest.network == networkDigest { continue }
      throw InputError(
        checkpoint.path, "is of a run with another \(setting: difference.key)",
        expected: "\(difference.now)", got: "\(difference.stored)")
    }
    // Of another build, it may be but the digest that differs.
    guard manifest.network == networkDigest || manifest.programSha256 != Provenance.program else {
      throw InputError(
        checkpoint.path, "is of another network",
        expected:
          "the inputs and layers that \(setting: "dataset") and \(setting: "model") give now")
    }
    guard (manifest.initialSparsity != nil) == hasMasks else {
      throw InputError(
        checkpoint.path,
        hasMasks
          ? "is of a run without masks"
          : "is of a run with masks: \(setting: "masks"), \(setting: "sparsity") or "
            + "\(setting: "regrow")",
        expected: hasMasks ? "one with them" : "one without, or these settings",
        got: hasMasks ? "none" : "\(Masks.fileName)")
    }
    guard manifest.step <= schedule.totalSteps else {
      throw InputError(
        checkpoint.path, "is beyond the end of the run",
        expected: "at most the \(schedule.totalSteps) steps that \(setting: "steps") or "
          + "\(setting: "epochs") make",
        got: "\(manifest.step)")
    }
  }
}
