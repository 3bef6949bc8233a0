import Foundation
import RunRecords
import Support
import Testing

/// Tests that a run resumed from a checkpoint ends like a run that was never stopped.
@Suite struct CheckpointTests {
  /// Every option that gives an optimizer state, or changes the content of the state.
  static let runs: [(String, [String])] = [
    ("M-FAC", ["--model", "cnn", "--window", "12", "--momentum", "0.9"]),
    ("M-FAC, a window that fills", ["--model", "mlp", "--window", "40", "--weight-decay", "1e-3"]),
    ("bfloat16", ["--model", "mlp", "--window", "10", "--window-type", "bfloat16"]),
    (
      "sparse",
      ["--model", "cnn", "--window", "9", "--window-density", "0.05", "--momentum", "0.5"]
    ),
    (
      "sparse bfloat16",
      ["--model", "mlp", "--window", "9", "--window-density", "0.01", "--window-type", "bfloat16"]
    ),
    (
      "λ that follows the loss, and passes left out",
      [
        "--model", "mlp", "--window", "9", "--momentum", "0.5", "--damping-schedule",
        "levenberg-marquardt", "--damping-relative", "--damping", "0.1", "--damping-every",
        "2", "--insert-every", "3", "--precondition-every", "2", "--clip-norm", "0.5",
      ]
    ),
    (
      "λ that falls",
      [
        "--model", "mlp", "--window", "8", "--damping", "1", "--damping-schedule", "exponential",
        "--damping-final", "1e-3",
      ]
    ),
    ("SGD", ["--model", "mlp", "--optimizer", "sgd", "--momentum", "0.9"]),
    ("SGD without state", ["--model", "mlp", "--optimizer", "sgd"]),
    ("AdamW", ["--model", "mlp", "--optimizer", "adamw", "--weight-decay", "0.01"]),
    (
      "K-FAC",
      [
        "--model", "cnn", "--optimizer", "kfac", "--momentum", "0.9", "--damping", "0.1",
        "--factor-every", "3", "--inverse-every", "7",
      ]
    ),
    (
      "K-FAC that adapts",
      [
        "--model", "mlp", "--optimizer", "kfac", "--step", "adaptive", "--damping-schedule",
        "levenberg-marquardt", "--damping", "0.1", "--solver", "eigen", "--kfac-grad-workers",
        "0.5", "--kfac-factors", "all", "--fisher", "empirical",
      ]
    ),
    (
      "running statistics and augmentation",
      [
        "--model", "resnet20", "--window", "5", "--micro-batches", "8", "--augment", "standard",
        "--crop-padding", "1", "--batch-size", "16",
      ]
    ),
  ]

  @Test("any number of ranks resumes to the same network", arguments: runs)
  func resumedRanks(name: String, settings: [String]) throws {
    let directory = try TemporaryDirectory()
    let settings =
      ["--dataset", "digits", "--batch-size", "48"] + settings
      + ["--steps", "30", "--evaluate-every", "10", "--save-every-steps", "4", "--keep-last", "9"]
    let whole = directory.path("whole")
    let outcome = try Program.train(ranks: 3, settings + ["--run-directory", whole])
    try #require(outcome.status == 0, "\(outcome.errors)")
    let expected = try trainedNetwork(of: whole)
    let expectedLosses = try losses(whole)
    // Resumes before and after the window is full, by ranks that owned these cells and by others.
    // The first settings take all cases, the others a part of them.
    let index = Self.runs.firstIndex { $0.0 == name }!
    let all = [(4, 5), (20, 2), (20, nil), (28, 8), (30, 3)]
    for (step, ranks) in index == 0 ? all[...] : index.isMultiple(of: 2) ? all[1...3] : all[...1] {
      let run = directory.path("from-\(step)-\(ranks ?? 0)")
      let outcome = try Program.train(
        ranks: ranks,
        settings + ["--run-directory", run, "--resume", checkpoint(whole, step)])
      try #require(outcome.status == 0, "\(ranks ?? 0) ranks: \(outcome.errors)")
      #expect(outcome.output.contains("resume     at step \(step)"))
      #expect(!outcome.output.contains("when the checkpoint was saved"), "\(outcome.output)")
      #expect(outcome.errors == "")
      #expect(
        try trainedNetwork(of: run) == expected, "\(name): from step \(step) at \(ranks ?? 0) ranks"
      )
      #expect(try losses(run) == expectedLosses.filter { $0.step > step })
    }
  }

  /// A run that is signalled to stop resumes in its own directory, several times.
  @Test("signals save a checkpoint and stop the run") func signals() throws {
    let directory = try TemporaryDirectory()
    let settings = [
      "--dataset", "digits", "--model", "mlp", "--steps", "6000", "--window", "20",
      "--evaluate-every", "1000", "--momentum", "0.9",
    ]
    let (whole, run) = (directory.path("whole"), directory.path("run"))
    #expect(try Program.train(ranks: 2, settings + ["--run-directory", whole]).status == 0)
    for (ranks, told, status) in [(3, SIGUSR1, 85), (nil, SIGTERM, 143), (nil, SIGINT, 130)] {
      let process = Program.process(
        ranks: ranks, graceSeconds: 1, settings + ["--run-directory", run, "--resume", "auto"])
      let lines = try? MetricsLine.read(run).count
      let watcher = Thread {
        // Wait until the run has made some progress.
        while (try? MetricsLine.read(run).count) ?? 0 < (lines ?? 0) + 100 { usleep(1000) }
        kill(process.processIdentifier, told)
      }
      watcher.start()
      let outcome = try Program.run(process)
      #expect(outcome.status == Int32(status), "\(outcome.errors)")
      #expect(outcome.output.contains("Stopped after step"), "\(outcome.output)")
    }
    let outcome = try Program.train(
      ranks: 2, settings + ["--run-directory", run, "--resume", "auto"])
    #expect(outcome.status == 0 && outcome.output.contains("resume     at step"))
    #expect(try trainedNetwork(of: run) == trainedNetwork(of: whole))
    // Each step is logged once, and each evaluation.
    #expect(try losses(run) == losses(whole))
  }

  /// Settings that determine a checkpoint's content must match; others may change, and are
  /// reported.
  @Test("a setting that differs from the checkpoint's is refused or reported")
  func differentSettings() throws {
    let directory = try TemporaryDirectory()
    let common = ["--dataset", "digits", "--model", "mlp", "--momentum", "0.5"]
    let settings = common + ["--window", "9"]
    let whole = directory.path("whole")
    _ = try Program.train(
      settings + ["--steps", "20", "--save-every-steps", "10", "--run-directory", whole])
    let from = checkpoint(whole, 10)
    for (given, says) in [
      (["--window", "10"], "another --window: expected 10, got 9"),
      (["--window-type", "float32"], "another --window-type: expected float32, got bfloat16"),
      (["--window-density", "0.5"], "another --window-density"),
      (["--model", "cnn"], "another --model: expected cnn, got mlp"),
      (["--optimizer", "sgd"], "another --optimizer: expected sgd, got mfac"),
      (["--momentum", "0"], "other settings: expected tensors second, got second and velocity"),
      (
        ["--steps", "9"],
        "beyond the end of the run: expected at most the 9 steps that --steps or --epochs make"
      ),
    ] {
      for ranks in [nil, 3] {
        let run = directory.path("refused")
        let outcome = try Program.train(
          ranks: ranks,
          (given[0] == "--optimizer" ? common : settings)
            + ["--steps", "20", "--run-directory", run, "--resume", from] + given)
        #expect(outcome.status != 0)
        #expect(outcome.errors.contains(says), "'\(says)' in \(outcome.errors)")
        #expect(outcome.errors.components(separatedBy: "Error: ").count == 2)
        #expect(!FileManager.default.fileExists(atPath: run))
      }
    }
    let outcome = try Program.train(
      settings + [
        "--steps", "40", "--learning-rate", "1e-2", "--seed", "3", "--resume", from,
        "--run-directory", directory.path("changed"),
      ])
    #expect(outcome.status == 0, "\(outcome.errors)")
    for text in [
      "--steps is 40, and was 20", "--learning-rate is 0.01, and was 0.1", "--seed is 3",
    ] {
      #expect(outcome.output.contains("\(text)"), "'\(text)' in \(outcome.output)")
    }
    // The seed does not draw the split of the digits: the data are the same.
    #expect(outcome.errors == "")
    let other = Program.process(
      ranks: nil,
      settings + ["--steps", "20", "--resume", from, "--run-directory", directory.path("other")])
    other.environment = ProcessInfo.processInfo.environment.merging([
      "OPENBLAS_CORETYPE": "Sandybridge"
    ]) { $1 }
    let elsewhere = try Program.run(other)
    #expect(elsewhere.status == 0)
    #expect(
      elsewhere.errors.contains("warning: the checkpoint is of another OpenBLAS core type"),
      "\(elsewhere.errors)")
  }

  /// The run resumes from the newest undamaged checkpoint and reports why it skips the others.
  @Test("damaged checkpoints are skipped and reported") func damagedCheckpoints() throws {
    let directory = try TemporaryDirectory()
    let run = directory.path("run")
    let settings = [
      "--dataset", "digits", "--model", "mlp", "--window", "9", "--steps", "40",
      "--save-every-steps", "10", "--keep-last", "4", "--run-directory", run,
    ]
    #expect(try Program.train(ranks: 2, settings).status == 0)
    let expected = try trainedNetwork(of: run)
    for ranks in [nil, 3] {
      let window = try #require(names(checkpoint(run, 40)).last)
      flip(checkpoint(run, 40) + "/\(window)", at: 5000)
      flip(checkpoint(run, 30) + "/manifest.json", at: 100)
      #expect(try Program.train(["inspect", run]).status == 1)
      let outcome = try Program.train(ranks: ranks, settings + ["--resume", "auto"])
      #expect(outcome.status == 0, "\(outcome.errors)")
      #expect(outcome.output.contains("resume     at step 20 from"))
      let warnings = outcome.errors.split(separator: "\n")
      try #require(warnings.count == 2, "\(outcome.errors)")
      #expect(warnings[0].contains("step 40") && warnings[0].contains("SHA-256"))
      #expect(warnings[1].contains("step 30") && warnings[1].contains("digest"))
      #expect(try trainedNetwork(of: run) == expected)
      // The run has written the skipped checkpoints again.
      #expect(try Program.train(["inspect", run]).status == 0)
      #expect(try names(run + "/checkpoints").count == 4)
    }
    for step in [10, 20, 30, 40] { flip(checkpoint(run, step) + "/manifest.json", at: 100) }
    let outcome = try Program.train(ranks: 3, settings + ["--resume", "auto"])
    #expect(outcome.status != 0 && outcome.errors.contains("none of its checkpoints is whole"))
    #expect(try trainedNetwork(of: run) == expected && names(run + "/checkpoints").count == 4)
  }

  /// A checkpoint without its window is small; the resumed run does not depend on the ranks either.
  @Test("a run may resume with an empty window") func emptyWindow() throws {
    let directory = try TemporaryDirectory()
    let settings = [
      "--dataset", "digits", "--model", "mlp", "--window", "9", "--steps", "30",
      "--insert-every", "2", "--window-density", "0.1",
    ]
    let run = directory.path("run")
    let outcome = try Program.train(
      ranks: 3,
      settings + ["--save-every-steps", "15", "--checkpoint-window", "no", "--run-directory", run])
    #expect(outcome.status == 0)
    let kinds = try names(checkpoint(run, 15)).map { String($0.prefix { $0 != "-" && $0 != "." }) }
    // Squared gradients of the metric are in the momentum's files.
    #expect(Set(kinds) == ["manifest", "model", "momentum"])
    var models: Set<Data> = []
    for ranks in [nil, 2, 5] {
      let again = directory.path("ranks-\(ranks ?? 0)")
      let outcome = try Program.train(
        ranks: ranks,
        settings + ["--resume", checkpoint(run, 15), "--run-directory", again])
      #expect(outcome.status == 0, "\(outcome.errors)")
      #expect(outcome.output.contains("the window is not in it, and fills again"))
      models.insert(try trainedNetwork(of: again))
    }
    #expect(models.count == 1)
    #expect(try models.first! != trainedNetwork(of: run))
  }

  @Test("a directory holds one run at a time") func oneRunPerDirectory() throws {
    let directory = try TemporaryDirectory()
    let run = directory.path("run")
    let settings = [
      "--dataset", "digits", "--model", "mlp", "--run-directory", run, "--save-every-steps", "100",
    ]
    let first = Program.process(ranks: nil, settings + ["--steps", "10000000"])
    let watcher = Thread {
      while !FileManager.default.fileExists(atPath: checkpoint(run, 200)) { usleep(1000) }
      let second = try? Program.train(settings + ["--steps", "10000000", "--resume", "auto"])
      #expect(second?.status == 1)
      #expect(
        second?.errors.contains(
          "another run is writing there: process \(first.processIdentifier) on host ") ?? false)
      first.interrupt()
    }
    watcher.start()
    #expect(try Program.run(first).status == 130)
    // Checkpoints of one run are not mixed with another's, even if nothing else is left of it.
    let left = directory.path("left")
    try FileManager.default.createDirectory(atPath: left, withIntermediateDirectories: true)
    try FileManager.default.copyItem(atPath: "\(run)/checkpoints", toPath: "\(left)/checkpoints")
    let mixed = try Program.train(["--dataset", "digits", "--run-directory", left])
    #expect(mixed.status != 0 && mixed.errors.contains("holds a run already"), "\(mixed.errors)")
    // A run cannot resume in its own directory from an older checkpoint than the newest.
    let steps = try names(run + "/checkpoints")
    #expect(steps.count == 2)
    let refused = try Program.train(
      settings + ["--steps", "10000000", "--resume", "\(run)/checkpoints/\(steps[0])"])
    #expect(refused.status != 0 && refused.errors.contains("there are checkpoints after"))
  }
}

func checkpoint(_ run: String, _ step: Int) -> String {
  let digits = "\(step)"
  return "\(run)/checkpoints/step-" + String(repeating: "0", count: 8 - digits.count) + digits
}

private func names(_ directory: String) throws -> [String] {
  try FileManager.default.contentsOfDirectory(atPath: directory).sorted()
}

private struct Losses: Equatable {
  let step: Int
  let loss: Double?
  let testLoss: Double?
}

private func losses(_ run: String) throws -> [Losses] {
  try MetricsLine.read(run).map { Losses(step: $0.step, loss: $0.loss, testLoss: $0.testLoss) }
}

/// Flips a bit of one byte of a file.
private func flip(_ path: String, at offset: Int) {
  var bytes = FileManager.default.contents(atPath: path)!
  bytes[offset] ^= 1
  #expect(FileManager.default.createFile(atPath: path, contents: bytes))
}
