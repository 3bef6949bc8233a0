import Foundation
import RunRecords
import Support
import Testing

/// Tests that only `--overwrite` loses the results of a run.
@Suite(.serialized) struct KeptRunTests {
  private let directory = try! TemporaryDirectory()
  private var run: String { directory.path("run") }
  private var settings: [String] {
    [
      "--dataset", "digits", "--model", "mlp", "--window", "5", "--epochs", "1", "--evaluate-every",
      "4", "--progress", "none", "--run-directory", run,
    ]
  }

  /// Returns the content of each file in a directory and its subdirectories.
  private func contents(_ path: String) throws -> [String: Data] {
    var contents: [String: Data] = [:]
    for name in try FileManager.default.subpathsOfDirectory(atPath: path) where name != ".lock" {
      contents[name] = FileManager.default.contents(atPath: "\(path)/\(name)")
    }
    return contents
  }

  @Test("a finished run stays unchanged") func finishedRun() throws {
    #expect(try Program.train(settings + ["--tensorboard"]).status == 0)
    let before = try contents(run)
    #expect(before["model.safetensors"] != nil && before["config.yaml"] != nil)
    // Nothing is left to do.
    for (ranks, more) in [
      (nil, []), (3, ["--save-every-steps", "2"]), (nil, ["--dry-run"]),
    ] as [(Int?, [String])] {
      let again = try Program.train(ranks: ranks, settings + more + ["--resume", "auto"])
      #expect(again.status == 0, "\(again.errors)")
      #expect(again.output.contains("\(run) is finished, after step 11"), "\(again.output)")
      #expect(try contents(run) == before)
    }
    // Another start is refused; the message says what to type.
    for (ranks, more, says) in [
      (3, [], ["holds a run already", "--run-directory \(run)-2 is free", "--overwrite"]),
      (nil, ["--resume", "auto", "--seed", "4"], ["--seed 0, got 4", "--run-directory \(run)-2"]),
      (
        3, ["--resume", "auto", "--epochs", "2"],
        ["--epochs 1, got 2", "--weights \(run)/model.safetensors"]
      ),
      (nil, ["--resume", "auto", "--overwrite"], ["--overwrite: expected --resume never"]),
      (nil, ["--dry-run"], ["that run is finished"]),
    ] as [(Int?, [String], [String])] {
      let refused = try Program.train(ranks: ranks, settings + more)
      #expect(refused.status != 0)
      for text in says { #expect(refused.errors.contains(text), "\(text): \(refused.errors)") }
      #expect(refused.errors.components(separatedBy: "Error: ").count == 2)
      #expect(try contents(run) == before, "\(more)")
    }
    #expect(try Program.train(settings + ["--overwrite", "--dry-run"]).status == 0)
    #expect(try contents(run) == before)
    // The user asks with --overwrite; a run repeated from its file does not overwrite again.
    let other = ["--overwrite", "--seed", "4", "--no-tensorboard"]
    #expect(try Program.train(ranks: 2, settings + other).status == 0)
    let after = try contents(run)
    #expect(
      after.keys.sorted()
        == ["config.yaml", "environment.jsonl", "metrics.jsonl", "model.safetensors"])
    #expect(after["model.safetensors"] != before["model.safetensors"])
    let repeated = try Program.train(["--config", "\(run)/config.yaml"])
    #expect(repeated.status == 1 && repeated.errors.contains("holds a run already"))
    #expect(try contents(run) == after)
  }

  /// A scheduler restarts such a run by itself: it begins at the first step and keeps the earlier
  /// files.
  @Test("a start without a checkpoint keeps the earlier files", arguments: [nil, 3])
  func startWithoutCheckpoint(ranks: Int?) throws {
    #expect(try Program.train(settings + ["--tensorboard"]).status == 0)
    let model = try trainedNetwork(of: run)
    // Imitates a kill in the last step.
    let log = try String(contentsOfFile: "\(run)/metrics.jsonl", encoding: .utf8)
    #expect(
      truncate("\(run)/metrics.jsonl", log.dropLast().lastIndex(of: "\n")!.utf16Offset(in: log) + 1)
        == 0)
    let before = try contents(run)
    let refused = try Program.train(settings)
    #expect(
      refused.errors.contains(
        "--resume auto starts over, and keeps what is there in \(run)/earlier-1"))
    #expect(try contents(run) == before)
    let again = try Program.train(ranks: ranks, settings + ["--resume", "auto"])
    #expect(again.status == 0, "\(again.errors)")
    #expect(again.errors.contains("stopped at step 11 without a checkpoint"), "\(again.errors)")
    #expect(try contents("\(run)/earlier-1") == before)
    #expect(try trainedNetwork(of: run) == model)
    #expect(try MetricsLine.read(run).filter { $0.loss != nil }.map(\.step) == Array(1...11))
    // Before its first step a run has nothing to lose.
    #expect(truncate("\(run)/metrics.jsonl", 0) == 0)
    try FileManager.default.removeItem(atPath: "\(run)/model.safetensors")
    let third = try Program.train(ranks: ranks, settings + ["--resume", "auto"])
    #expect(third.status == 0 && third.errors == "", "\(third.errors)")
    #expect(!FileManager.default.fileExists(atPath: "\(run)/earlier-2"))
    #expect(try trainedNetwork(of: run) == model)
  }

  /// A wrong name does not make another program replace a file of another kind.
  @Test("outputs replace only files of their own kind") func replacedOutputs() throws {
    let scaling = ["--part", "optimizer", "--parameters", "2000", "--window", "4", "--steps", "1"]
    let (curves, log) = (directory.path("curves.json"), directory.path("metrics.jsonl"))
    func bench(_ arguments: [String]) throws -> Program.Outcome {
      try Program.run(Program.process(ranks: nil, program: Program.bench, arguments))
    }
    #expect(try bench(["scaling", "--json", curves] + scaling).status == 0)
    _ = try directory.write("{\"step\":1,\"loss\":2}\n", to: "metrics.jsonl")
    let before = try contents(directory.root)
    for (program, arguments, flag) in [
      (Program.bench, ["window", "--steps", "1", "--json", curves], "--json"),
      (Program.bench, ["networks", "mlp", "--json", log], "--json"),
      (Program.bench, ["step", "--model", "mlp", "--plot", log], "--plot"),
      (Program.report, ["plot", "report.json", "--output", log], "--output"),
      (Program.report, ["plot", "report.json", "--output", directory.root], "--output"),
      (
        Program.report,
        [directory.root, "--output", curves], "--output"
      ),
    ] {
      let refused = try Program.run(Program.process(ranks: nil, program: program, arguments))
      #expect(
        refused.status != 0 && refused.errors.contains("\(flag): expected "), "\(refused.errors)")
      #expect(try contents(directory.root) == before, "\(arguments)")
    }
  }

  /// A locked directory is not read: its owner may be removing files.
  @Test("a locked directory is not read", arguments: [nil, 2])
  func lockedDirectory(ranks: Int?) throws {
    let settings = settings + ["--save-every-steps", "5"]
    #expect(try Program.train(settings).status == 0)
    for file in ["model.safetensors", "manifest.json"] {
      try FileManager.default.removeItem(atPath: "\(checkpoint(run, 11))/\(file)")
    }
    let lock = open("\(run)/.lock", O_RDWR)
    defer { close(lock) }
    try #require(lock >= 0 && flock(lock, LOCK_EX | LOCK_NB) == 0)
    let before = try contents(run)
    for more in [["--resume", "auto"], ["--resume", "auto", "--dry-run"], ["--overwrite"], []] {
      let refused = try Program.train(ranks: ranks, settings + more)
      #expect(refused.status == 1)
      #expect(
        refused.errors.wholeMatch(
          of: /Error: .*run: another run is writing there: process \d+ on host \S+, since .*\n/)
          != nil, "\(refused.errors)")
    }
    #expect(try contents(run) == before)
  }
}
