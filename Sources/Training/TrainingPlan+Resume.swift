import Datasets
import Foundation
import MPI
import Networks

extension TrainingPlan {
  /// The checkpoint that the run goes on from, found whole and of settings that go with the plan's; nil
  /// for the first step. Says on rank 0 what the user should know of it. Collective.
  func checkpoint(
    in directory: CheckpointDirectory, trainingData: String, on world: Communicator,
    progress: inout Progress
  ) throws -> Checkpoint? {
    guard keepsFiles else { return nil }
    let checkpoint: Checkpoint?
    switch resume {
    case .never:
      try world.agree { if world.rank == 0 { try RunDirectory.checkIsFree(runDirectory) } }
      return nil
    case .automatic:
      checkpoint = try Checkpoint.newestWhole(in: directory, on: world) { progress.warn($0) }
    case .from(let path):
      checkpoint = try Checkpoint.verified(path, on: world)
      try world.agree { if world.rank == 0 { try checkIsFree(for: checkpoint!, in: directory) } }
    }
    guard let checkpoint else {
      progress.say("resume     no checkpoint in \(directory.path): from the first step")
      return nil
    }
    let manifest = checkpoint.manifest
    try world.agree { try check(checkpoint) }
    progress.say("resume     at step \(manifest.step) from \(checkpoint.path)")
    for difference in manifest.differences(from: configuration) {
      progress.say("           \(difference), other than when it was saved")
    }
    if manifest.trainingData != trainingData {
      progress.warn("the training data are not those that the checkpoint was trained on")
    }
    if !manifest.hasWindow, case .mfac = optimizer {
      progress.say("           the window is not in it, and fills anew")
    }
    for (what, stored, now) in [
      ("OpenBLAS core type", manifest.coreType, Provenance.arithmetic),
      ("build of the program", manifest.programSha256, Provenance.program),
    ] where stored != now {
      progress.warn(
        "the checkpoint is of another \(what) (\(stored.prefix(16)), here \(now.prefix(16))): the run "
          + "goes on, but its bytes may differ from one that was never stopped")
    }
    return checkpoint
  }

  /// How the files of the run's directory go on.
  func start(_ checkpoint: Checkpoint?) -> RunDirectory.Start {
    guard let checkpoint else { return resume == .never ? .new : .over }
    return isOwn(checkpoint) ? .from(metricsBytes: checkpoint.manifest.metricsBytes) : .new
  }

  var networkDigest: String { SHA256.of("\(network.input)\n\(network.layers)") }

  /// Whether the checkpoint is one of the run's directory.
  private func isOwn(_ checkpoint: Checkpoint) -> Bool {
    func real(_ path: String) -> String? {
      guard let name = realpath(path, nil) else { return nil }
      defer { free(name) }
      return String(cString: name)
    }
    let own = real(CheckpointDirectory(ofRun: runDirectory).path)
    return own != nil && real("\(checkpoint.path)/..") == own
  }

  /// Refuses to go on in a directory from elsewhere than its newest checkpoint, or from another run's in one
  /// with a run: what there is would be mixed with what comes.
  private func checkIsFree(for checkpoint: Checkpoint, in directory: CheckpointDirectory) throws {
    guard isOwn(checkpoint) else { return try RunDirectory.checkIsFree(runDirectory) }
    if let newest = try directory.steps().first, newest > checkpoint.manifest.step {
      throw DatasetError(
        "--resume", "there are checkpoints after that of step \(checkpoint.manifest.step)",
        expected: "another --run-directory, or those after it removed",
        got: directory.path(step: newest))
    }
  }

  /// Refuses a checkpoint that means something else with the plan's settings.
  private func check(_ checkpoint: Checkpoint) throws {
    let manifest = checkpoint.manifest
    var fixed = ["model", "optimizer", "window", "window-type", "window-density", "sparse"]
    if case .kfac = optimizer { fixed += ["solver", "kfac-normalization"] }
    for difference in manifest.differences(from: configuration)
    where fixed.contains(difference.key) {
      // A model file may be elsewhere now.
      if difference.key == "model", manifest.network == networkDigest { continue }
      throw DatasetError(
        checkpoint.path, "is of a run with another --\(difference.key)",
        expected: difference.now, got: difference.stored)
    }
    // Of another build, it may be but the digest that differs.
    guard manifest.network == networkDigest || manifest.programSha256 != Provenance.program else {
      throw DatasetError(
        checkpoint.path, "is of another network",
        expected: "the inputs and layers that --dataset and --model give now")
    }
    guard (manifest.initialSparsity != nil) == hasMasks else {
      throw DatasetError(
        checkpoint.path,
        hasMasks
          ? "is of a run without masks" : "is of a run with masks: --masks, --sparsity or --regrow",
        expected: hasMasks ? "one with them" : "one without, or these settings",
        got: hasMasks ? "none" : Masks.fileName)
    }
    guard manifest.step <= schedule.totalSteps else {
      throw DatasetError(
        checkpoint.path, "is beyond the end of the run",
        expected: "at most the \(schedule.totalSteps) steps that --steps or --epochs make",
        got: "\(manifest.step)")
    }
  }
}
