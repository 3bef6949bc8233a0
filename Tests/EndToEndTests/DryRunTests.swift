import Foundation
import Optimizers
import Support
import Testing

/// Tests the output of `--dry-run`, and that it writes nothing.
@Suite(.serialized) struct DryRunTests {
  private let directory = try! TemporaryDirectory()
  private func settings(_ optimizer: String = "mfac") -> [String] {
    [
      "--dataset", "digits", "--model", "mlp", "--optimizer", optimizer, "--steps", "7",
      "--evaluate-every", "3", "--run-directory", directory.path("run"),
    ] + (optimizer == "mfac" ? ["--window", "20"] : [])
  }

  /// Returns the line that begins with a word, without that word.
  private func line(_ word: String, of output: String) throws -> String {
    let line = output.split(separator: "\n").first { $0.hasPrefix("\(word) ") }
    return String(try #require(line, "\(output)").dropFirst(11))
  }

  @Test(
    "a dry run reports directory, memory and time of the run",
    arguments: OptimizerName.names, [nil, 3])
  func summary(optimizer: String, ranks: Int?) throws {
    let settings = settings(optimizer) + ["--progress", "none", "--tensorboard"]
    let outcome = try Program.train(ranks: ranks, settings + ["--dry-run"])
    try #require(outcome.status == 0, "\(outcome.errors)")
    #expect(outcome.errors.isEmpty)
    #expect(try line("run", of: outcome.output) == directory.path("run"))
    #expect(try line("memory", of: outcome.output).contains(" a rank, of which the optimizer "))
    #expect(try line("dry run", of: outcome.output) == "nothing was written")
    // Evaluations follow steps 3, 6 and 7.
    let time = try line("time", of: outcome.output)
    #expect(time.hasPrefix("7 steps and 3 evaluations of "), "\(time)")
    let parts = try #require(
      try line("step", of: outcome.output).firstMatch(of: /^([0-9.]+) ms.* over (\d+) of them:/))
    // Seven steps and three evaluations of this network take a few milliseconds each.
    #expect(try #require(Double(parts.1)) > 0)
    #expect(try #require(Int(parts.2)) >= 4)
    #expect(outcome.output.contains("traffic ") == (ranks != nil))
    #expect(try FileManager.default.contentsOfDirectory(atPath: directory.root).isEmpty)
    // A dry run leaves the directory free for the run.
    #expect(try Program.train(ranks: ranks, settings).status == 0)
    let second = try Program.train(ranks: ranks, settings + ["--dry-run"])
    #expect(second.status == 1 && second.errors.contains("holds a run already"))
  }

  /// Returns everything that the steps of a run have sent, without evaluations.
  private func sent(_ output: String) throws -> (messages: Double, megabytes: Double) {
    var (messages, megabytes) = (0.0, 0.0)
    // Both ranks send the same in an evaluation.
    for (phase, sign) in [("all", 1.0), ("evaluation", -1)] {
      // calls, s max, s min, messages, MB sent, …
      let cells = try line(phase, of: output).split(separator: " ")
      messages += sign * (try #require(Double(cells[3])))
      megabytes += sign * (try #require(Double(cells[4])))
    }
    return (messages, megabytes)
  }

  /// Compares predicted messages and bytes with those that the run counts.
  @Test(
    "the predicted traffic is that of the run",
    arguments: [[], ["--insert-every", "2", "--preset", "published"]])
  func predictedTraffic(arguments: [String]) throws {
    let settings = settings() + ["--evaluate-every", "7"] + arguments
    let dry = try Program.train(ranks: 2, settings + ["--dry-run"])
    let text = try line("traffic", of: dry.output)
    let parts = try #require(text.firstMatch(of: /^([0-9.]+) KiB in (\d+) messages a step/))
    let run = try Program.train(ranks: 2, settings + ["--log-view"])
    let (messages, megabytes) = try sent(run.output)
    // The window is full in the prediction, and fills in the run: a difference of up to 20 numbers
    // a step.
    #expect(try #require(Double(parts.2)) == messages / 7)
    let kibibytes = megabytes * 1e6 / 1024 / 7
    #expect(abs(try #require(Double(parts.1)) - kibibytes) < 8 * 20 / 1024 + 0.51, "\(text)")
  }

  /// The measured steps contain steps with factors and with inversions in the proportion of a run
  /// of two periods.
  @Test("a dry run measures steps of all kinds in proportion") func stepKinds() throws {
    let settings = [
      "--dataset", "digits", "--model", "mlp", "--optimizer", "kfac", "--factor-every", "3",
      "--inverse-every", "4", "--steps", "24", "--evaluate-every", "24", "--run-directory",
      directory.path("run"),
    ]
    let dry = try Program.train(ranks: 2, settings + ["--dry-run"])
    let steps = try #require(
      try line("step", of: dry.output).firstMatch(of: /over (\d+) of them:/))
    #expect(try #require(Int(steps.1)) % 12 == 0)
    let parts = try #require(
      try line("traffic", of: dry.output).firstMatch(
        of: /^([0-9.]+) ([KM])iB in (\d+) messages a step/))
    let run = try Program.train(ranks: 2, settings + ["--log-view"])
    let (messages, megabytes) = try sent(run.output)
    #expect(try #require(Double(parts.3)) == (messages / 24).rounded())
    // The tolerance follows from the digits shown.
    let (unit, half) = (parts.2 == "K" ? 1024.0 : 1_048_576, parts.1.contains(".") ? 0.051 : 0.51)
    #expect(abs(try #require(Double(parts.1)) - megabytes * 1e6 / 24 / unit) < half)
    // A period that would take minutes is not measured; the output says so.
    let long = try Program.train(
      settings + ["--inverse-every", "999983", "--dry-run", "--run-directory", directory.path("b")])
    #expect(try line("step", of: long.output).contains(" of them (a period has 2999949): "))
  }

  /// The remaining steps of a resumed run are predicted, not all steps.
  @Test("a dry run of a resumed run reports the remaining steps") func resumedRun() throws {
    let settings = settings() + ["--save-every-steps", "4", "--resume", "auto"]
    #expect(try Program.train(settings).status == 0)
    let run = directory.path("run")
    try FileManager.default.removeItem(atPath: "\(run)/checkpoints/step-00000007")
    let before = try FileManager.default.subpathsOfDirectory(atPath: run)
    let metrics = try Data(contentsOf: URL(filePath: "\(run)/metrics.jsonl"))
    let outcome = try Program.train(ranks: 2, settings + ["--dry-run"])
    #expect(outcome.status == 0, "\(outcome.errors)")
    #expect(try line("resume", of: outcome.output).hasPrefix("at step 4 from "))
    #expect(try line("time", of: outcome.output).hasPrefix("3 steps and 2 evaluations of "))
    #expect(try line("time", of: outcome.output).hasSuffix(", without checkpoints"))
    #expect(try FileManager.default.subpathsOfDirectory(atPath: run) == before)
    #expect(try Data(contentsOf: URL(filePath: "\(run)/metrics.jsonl")) == metrics)
    // A complete run.
    #expect(try Program.train(settings).status == 0)
    let complete = try Program.train(settings + ["--dry-run"])
    #expect(complete.status == 0 && complete.output.contains("no steps are left"))
  }

  /// Covers masks, groups, intervals, windows of all forms, and more gradients than coordinates.
  @Test(
    "every kind of run can be dry-run",
    arguments: [
      "--sparsity 0.9 --prune-every 3 --window-type bfloat16", "--window-density 0.1",
      "--insert-every 3 --precondition-every 2 --damping-relative",
      "--damping-schedule levenberg-marquardt --momentum 0.9", "--model MODEL --window 900",
      "--model MODEL --window 900 --damping-relative --damping 1e-6 --clip-norm 1e-3",
      "--optimizer kfac --solver cg --damping-schedule levenberg-marquardt --step adaptive",
    ])
  func everyKindOfRun(options: String) throws {
    let model = try directory.write(
      "input: [1, 8, 8]\nlayers: [flatten, linear: {in: 64, out: 10}]", to: "model.yaml")
    let outcome = try Program.train(
      settings(options.contains("kfac") ? "kfac" : "mfac")
        + options.replacing("MODEL", with: model).split(separator: " ").map(String.init)
        + ["--dry-run"])
    #expect(outcome.status == 0, "\(outcome.errors)")
    #expect(outcome.output.hasSuffix("nothing was written\n"), "\(outcome.output)")
  }
}
