import ArgumentParser
import Checkpoints
import FileRecords
import Training

struct Inspect: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Shows the contents of a checkpoint and verifies it.",
    discussion:
      "Exits with status 0 if the checkpoint is intact. For a run directory, shows its newest one.")

  @Argument(
    help: "Directory of a checkpoint, such as runs/…/checkpoints/step-00001200, or of a run.",
    completion: .directory)
  var checkpoint: String

  func run() throws {
    // A single process has no other ranks whose files it could compare.
    OpenedFiles.stop()
    let checkpoints = CheckpointDirectory(ofRun: checkpoint)
    let newest = try checkpoints.steps().first.map(checkpoints.path(step:))
    let (text, isWhole) = try Checkpoint(path: newest ?? checkpoint).summary()
    print(text)
    if !isWhole { throw ExitCode.failure }
  }
}
