import ArgumentParser
import Checkpoints
import FileRecords
import Training

struct Inspect: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Shows what is in a checkpoint, and checks that it is whole.",
    discussion:
      "Ends with status 0 where it is whole. Of a run's directory, its newest one is shown.")

  @Argument(
    help: "A checkpoint's directory, such as runs/…/checkpoints/step-00001200, or a run's.",
    completion: .directory)
  var checkpoint: String

  func run() throws {
    // There are no other ranks to compare them with.
    OpenedFiles.stop()
    let checkpoints = CheckpointDirectory(ofRun: checkpoint)
    let newest = try checkpoints.steps().first.map(checkpoints.path(step:))
    let (text, isWhole) = try Checkpoint(path: newest ?? checkpoint).summary()
    print(text)
    if !isWhole { throw ExitCode.failure }
  }
}
