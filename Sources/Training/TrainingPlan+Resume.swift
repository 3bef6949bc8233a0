import Checkpoints
import Formats
import Foundation
import MPI
import Networks

/// Reports that the run to be resumed is finished, with all its files written.
public struct FinishedRun: SharedError, CustomStringConvertible {
  /// One line about the finished run.
  public let description: String
}

extension TrainingPlan {
  /// Describes where a run begins, and what happens to the contents of its directory.
  struct Beginning {
    /// A whole checkpoint whose settings fit the plan; nil for the first step.
    var checkpoint: Checkpoint?
    /// Treatment of the directory's contents; used on rank 0.
    var start = RunDirectory.Start.new
    /// Lock on the directory; taken on rank 0 if the directory is not empty.
    var lock: RunLock?
  }

  /// Determines where the run begins, and prints on rank 0 what the user should know. Collective.
  ///
  /// - Parameter isDryRun: true if nothing is to be written.
  /// - Throws: on all ranks together; `FinishedRun` if there is nothing left to do.
  func beginning(
    trainingData: String, isDryRun: Bool, on world: Communicator, progress: inout Progress
  ) throws -> Beginning {
    var beginning = Beginning()
    guard keepsFiles else { return beginning }
    // The lock is taken before anything is read: another process may be removing files.
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

  /// Locks the run's directory if it is not empty, and returns its contents.
  private func look(
    _ lock: inout RunLock?, isDryRun: Bool
  ) throws(InputError) -> RunDirectory.Remains {
    if isDryRun {
      try RunLock.checkIsFree(runDirectory)
    } else {
      // A new directory is not created until all checks have passed.
      var isTaken = RunLock.isKnown(in: runDirectory)
      if !isTaken { isTaken = try !RunDirectory.Remains(of: runDirectory).isEmpty }
      if isTaken { lock = try RunLock(runDirectory) }
    }
    return try RunDirectory.Remains(of: runDirectory)
  }

  /// Prints that the run begins at its first step, and what happens to the files of an earlier
  /// start.
  private func startOver(_ remains: RunDirectory.Remains?, _ progress: inout Progress) {
    let isSaved = saving.everySteps != nil || saving.everySeconds != nil
    let setting: Diagnostic = "\(setting: "save-every-minutes", 10)"
    if let remains, remains.isWorthKeeping {
      progress.warn(
        "\(runDirectory): an earlier start stopped at step \(remains.steps) without a checkpoint: "
          + "its files "
          + "are moved to \(remains.asidePath), and the run starts over"
          + (isSaved ? "" : " (with \(setting) the next start can resume)"))
    }
    progress.say(
      "resume     no checkpoint in \(CheckpointDirectory(ofRun: runDirectory).path): starts at the "
        + "first step"
        + (isSaved ? "" : "; saves checkpoints only on a signal (\(setting) saves more)"))
  }

  /// Checks a checkpoint against the plan, and prints what differs. Collective.
  private func goOn(
    from checkpoint: Checkpoint, trainingData: String, on world: Communicator,
    _ progress: inout Progress
  ) throws {
    let manifest = checkpoint.manifest
    try world.agree { try check(checkpoint) }
    progress.say("resume     at step \(manifest.step) from \(checkpoint.path)")
    for difference in manifest.differences(from: configuration) {
      progress.say("           \(difference.diagnostic) when the checkpoint was saved")
    }
    if manifest.trainingData != trainingData {
      progress.warn("the training data are not those that the checkpoint was trained on")
    }
    if !manifest.hasWindow, optimizer.windowed != nil {
      progress.say("           the window is not in it, and fills again")
    }
    for (what, stored, now) in [
      ("OpenBLAS core type", manifest.coreType, Provenance.arithmetic),
      ("build of the program", manifest.programSha256, Provenance.program),
    ] where stored != now {
      progress.warn(
        "the checkpoint is of another \(what) (\(stored.prefix(16)), here \(now.prefix(16))): the "
          + "run "
          + "continues, but its bytes may differ from those of an uninterrupted run")
    }
  }

  var networkDigest: String { SHA256.of("\(network.input)\n\(network.layers)") }

  /// Returns true if the checkpoint is in the run's directory.
  private func isOwn(_ checkpoint: Checkpoint) -> Bool {
    func real(_ path: String) -> String? {
      guard let name = realpath(path, nil) else { return nil }
      defer { free(name) }
      return String(cString: name)
    }
    let local = real(CheckpointDirectory(ofRun: runDirectory).path)
    return local != nil && real("\(checkpoint.path)/..") == local
  }

  /// Refuses to mix two runs in a directory. A checkpoint of the directory's own run must be its
  /// newest one; a checkpoint from elsewhere needs a directory without a run.
  private func checkIsFree(
    for checkpoint: Checkpoint, _ remains: RunDirectory.Remains
  ) throws(InputError) {
    guard isOwn(checkpoint) else {
      if !overwrites { try remains.checkIsFree(totalSteps: steps) }
      return
    }
    guard !overwrites else {
      throw InputError(
        setting: "overwrite", "would remove the checkpoint from which the run is to resume",
        expected: "no \(setting: "resume"), or one with a checkpoint from elsewhere",
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

  /// Refuses a checkpoint that would mean something else under the plan's settings.
  private func check(_ checkpoint: Checkpoint) throws {
    let manifest = checkpoint.manifest
    let fixed = ["model", "precision", "optimizer"] + optimizer.fixedSettings + ["sparse"]
    for difference in manifest.differences(from: configuration)
    where fixed.contains(difference.key) {
      // The model file may have moved since.
      if difference.key == "model", manifest.network == networkDigest { continue }
      throw InputError(
        checkpoint.path, "is of a run with another \(setting: difference.key)",
        expected: "\(difference.now)", got: "\(difference.stored)")
    }
    // Another build of the program may give the same network another digest.
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
