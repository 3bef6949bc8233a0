import Foundation
import RunRecords
import Support
import Testing

/// Tests the record of the environment in a run's directory.
@Suite(.serialized) struct EnvironmentTests {
  private let directory = try! TemporaryDirectory()

  @Test("each start adds a line to the environment file") func oneLinePerStart() throws {
    let run = directory.path("a run")
    let settings = [
      "--dataset", "digits", "--model", "mlp", "--window", "5", "--save-every-steps", "4",
      "--run-directory", run, "--resume", "auto",
    ]
    func train(_ ranks: Int?, _ more: String...) throws {
      let outcome = try Program.train(ranks: ranks, settings + more)
      try #require(outcome.status == 0, "\(outcome.errors)")
    }
    let before = Date()
    try train(nil, "--steps", "4")
    // A partial line is ignored.
    let file = try #require(FileHandle(forWritingAtPath: "\(run)/environment.jsonl"))
    try file.seekToEnd()
    try file.write(contentsOf: Data(#"{"ranks":5,"#.utf8))
    try train(3, "--steps", "6")
    let starts = try Environment.read("\(run)/environment.jsonl")
    #expect(starts.map(\.fromStep) == [0, 4] && starts.map(\.ranks) == [1, 3])
    let version = try Program.train(["--version"])
    for start in starts {
      let moment = try #require(start.started.flatMap(ISO8601DateFormatter().date(from:)))
      #expect((before.addingTimeInterval(-1)...Date()).contains(moment))
      #expect(start.hosts == [ProcessInfo.processInfo.hostName])
      #expect(start.cores == ProcessInfo.processInfo.processorCount)
      #expect(version.output == (start.swiftMfac ?? "") + "\n")
      #expect(
        start.commandLine?.contains("--run-directory '\(run)' --resume auto --steps ") == true)
      for version in [start.openblas, start.openMpi].map({ $0 ?? "" }) {
        #expect(version.wholeMatch(of: /\d+\.\d+\.\d+.*/) != nil, "\(version)")
      }
    }
    // The first line of config.yaml describes the last process.
    let configuration = try String(contentsOfFile: "\(run)/config.yaml", encoding: .utf8)
    #expect(
      configuration.hasPrefix("# OpenBLAS core type \(starts[1].blasCoreType ?? ""), 3 ranks\n"))
    // Imitates a run that was killed before its first checkpoint.
    try FileManager.default.removeItem(atPath: "\(run)/checkpoints")
    #expect(truncate("\(run)/metrics.jsonl", 100) == 0)
    try train(nil, "--steps", "5")
    #expect(try Environment.read("\(run)/environment.jsonl").map(\.fromStep) == [0])
  }

  /// A file left by another run would be mistaken for this run's.
  @Test(
    "a directory with an environment or event file is not free",
    arguments: ["environment.jsonl", "tensorboard"])
  func usedDirectory(name: String) throws {
    let run = directory.path("used")
    try FileManager.default.createDirectory(
      atPath: "\(run)/\(name)", withIntermediateDirectories: true)
    let outcome = try Program.train([
      "--dataset", "digits", "--model", "mlp", "--steps", "1", "--run-directory", run,
    ])
    #expect(outcome.status == 1)
    #expect(outcome.errors.contains("expected a directory without \(name)"), "\(outcome.errors)")
  }
}
