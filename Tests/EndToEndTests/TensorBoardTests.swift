import Foundation
import Support
import Testing

/// Tests event files as read by TensorBoard from PyPI.
@Suite(
  .serialized,
  .enabled(if: hasTensorBoard, "python3 with PyPI's tensorboard is not on this machine"))
struct TensorBoardTests {
  private let directory = try! TemporaryDirectory()

  /// A run that resumes from a step before its last one shows each step once.
  @Test("a resumed run is one series", arguments: ["mfac", "sgd", "adamw"])
  func resumedSeries(optimizer: String) throws {
    let run = directory.path("run")
    let settings =
      (optimizer == "mfac" ? ["--window", "6"] : []) + [
        "--dataset", "digits", "--model", "mlp", "--optimizer", optimizer,
        "--evaluate-every", "4", "--spectrum-every", "3", "--save-every-steps", "6",
        "--tensorboard",
        "--sparsity", "0.5", "--prune-method", "magnitude", "--prune-every", "3", "--prune-end",
        "6",
        "--run-directory", run,
      ]
    func train(_ ranks: Int?, _ more: String...) throws {
      let outcome = try Program.train(ranks: ranks, settings + more)
      try #require(outcome.status == 0, "\(outcome.errors)")
    }
    try train(nil, "--steps", "10")
    // Imitates a kill before the last step was saved.
    try FileManager.default.removeItem(atPath: "\(run)/checkpoints/step-00000010")
    try train(3, "--steps", "14", "--resume", "auto")
    try read(run, files: 2)
    // Event files of steps that no checkpoint covers are moved elsewhere.
    try FileManager.default.removeItem(atPath: "\(run)/checkpoints")
    #expect(truncate("\(run)/metrics.jsonl", 100) == 0)
    try train(2, "--steps", "8", "--resume", "auto")
    try read(run, files: 1)
  }

  @Test("runs on values show their error") func regressionError() throws {
    let rows = (0..<60).map { "\($0),\($0 * $0 % 7),\(3 * $0 + 1)" }
    let table = try directory.write(
      (["a,b,target"] + rows).joined(separator: "\n"), to: "table.csv")
    let run = directory.path("values")
    let outcome = try Program.train([
      "--dataset", "csv:\(table)", "--model", "mlp", "--batch-size", "16", "--micro-batches", "2",
      "--window", "4", "--epochs", "2", "--damping-schedule", "levenberg-marquardt",
      "--damping-every", "2", "--tensorboard", "--run-directory", run,
    ])
    try #require(outcome.status == 0, "\(outcome.errors)")
    try read(run, files: 1)
  }

  private func read(_ run: String, files: Int) throws {
    let outcome = try Program.run(
      python([eventFileReader, run, "\(files)"]))
    #expect(outcome.status == 0, "\(outcome.errors)")
    #expect(outcome.output.contains("numbers equal"), "\(outcome.output)")
  }
}

private func python(_ arguments: [String]) -> Process {
  let process = Process()
  process.executableURL = URL(filePath: "/usr/bin/env")
  process.arguments = ["python3"] + arguments
  return process
}

let eventFileReader = "\(Program.package)/Tests/EndToEndTests/event-files.py"

let hasTensorBoard =
  (try? Program.run(python(["-c", "import tensorboard.backend.event_processing"])).status) == 0
