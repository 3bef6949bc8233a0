import Foundation
import Testing

/// Bad input and bad luck: one clear message, a status that is not 0, nobody left hanging.
@Suite(.serialized) struct FailureTests {
  /// Runs that must be refused, and what the message must say. FILE stands for a file of the text.
  static let refused: [(arguments: [String], file: String, says: [String])] = [
    (["--window", "0"], "", ["--window", "0"]),
    (["--windows", "5"], "", ["--windows"]),
    (["--learning-rate", "fast"], "", ["fast", "--learning-rate"]),
    (["--damping", "-1"], "", ["--damping", "-1"]),
    (["--damping", "--window"], "", ["--damping", "--window"]),
    (["--momentum", "1"], "", ["--momentum", "in [0, 1)"]),
    (["--input-scale", "255"], "", ["--input-scale", "1/255"]),
    (["--batch-size", "60"], "", ["--batch-size", "multiple of --micro-batches, 8", "60"]),
    (["--batch-size", "8000"], "", ["8000", "1437"]),
    (["--epochs", "1", "--steps", "1"], "", ["--epochs", "--steps"]),
    (["--dataset", "cifar11"], "", ["cifar11", "fashion-mnist"]),
    (["--dataset", "idx:/nowhere"], "", ["/nowhere"]),
    (["--model", "/nowhere.yaml"], "", ["/nowhere.yaml"]),
    (["--initial-weights", "/nowhere.safetensors"], "", ["/nowhere.safetensors"]),
    (["--initial-weights", "FILE"], "nonsense", ["FILE"]),
    (["--config", "FILE"], "windows: 5\n", ["FILE", "windows", "window"]),
    (["--config", "FILE"], "window: many\n", ["FILE", "many"]),
    (["--config", "FILE"], "window: [5]\n", ["FILE", "window"]),
    (["--config", "FILE"], "window: 5\nwindow: 6\n", ["FILE", "window"]),
    (["--config", "FILE"], "[", ["FILE"]),
    (["--config", "/nowhere.yaml"], "", ["/nowhere.yaml"]),
    (
      ["--model", "FILE"],
      "input: [1, 8, 8]\nlayers:\n  - flatten\n  - lineal: {in: 64, out: 10}\n",
      ["FILE", "lineal", "linear"]
    ),
    (
      ["--model", "FILE"],
      "input: [1, 8, 8]\nlayers:\n  - flatten\n  - linear: {in: 63, out: 10}\n",
      ["FILE", "63", "64"]
    ),
    (["--model", "FILE"], "input: [63]\nlayers:\n  - linear: {in: 63, out: 10}\n", ["63", "64"]),
    (["--model", "FILE"], "input: [64]\nlayers:\n  - linear: {in: 64, out: 9}\n", ["9", "10"]),
    (["--window", "1000000"], "", ["available", "--window"]),
  ]

  @Test(arguments: refused.indices)
  func badInputIsRefusedInOneMessage(index: Int) throws {
    let (arguments, text, says) = Self.refused[index]
    let directory = try TemporaryDirectory()
    let file = try directory.write(text, to: "FILE")
    let given =
      ["--dataset", "digits", "--run-directory", directory.path("run")]
      + arguments.map { $0 == "FILE" ? file : $0 }
    for ranks in [nil, 3] {
      let outcome = try Program.train(ranks: ranks, given)
      #expect(outcome.status != 0, "\(arguments)")
      let errors = outcome.errors.replacing(file, with: "FILE")
      let count = errors.components(separatedBy: "Error: ").count - 1
      #expect(count == 1, "\(arguments) at \(ranks ?? 0) ranks: \(errors)")
      for part in says { #expect(errors.contains(part), "'\(part)' in \(errors)") }
      #expect(!errors.contains("Fatal") && !errors.contains("***"), "\(errors)")
      #expect(outcome.seconds < 20)
      #expect(!FileManager.default.fileExists(atPath: directory.path("run")))
    }
  }

  @Test func moreRanksThanMicroBatchesAreRefused() throws {
    let directory = try TemporaryDirectory()
    let outcome = try Program.train(
      ranks: 3,
      [
        "--dataset", "digits", "--micro-batches", "2", "--batch-size", "32",
        "--run-directory", directory.path("run"),
      ])
    #expect(outcome.status != 0)
    #expect(outcome.errors.contains("at least 3") && outcome.errors.contains("got 2"))
  }

  @Test func helpIsToldOnce() throws {
    for ranks in [nil, 3] {
      let outcome = try Program.train(ranks: ranks, ["--help"])
      #expect(outcome.status == 0)
      #expect(outcome.output.components(separatedBy: "USAGE:").count == 2)
    }
  }

  @Test func anOlderRunIsNotOverwritten() throws {
    let directory = try TemporaryDirectory()
    let arguments = [
      "--dataset", "digits", "--model", "mlp", "--steps", "1", "--run-directory",
      directory.path("run"),
    ]
    #expect(try Program.train(arguments).status == 0)
    let model = try Data(contentsOf: URL(filePath: directory.path("run/model.safetensors")))
    let again = try Program.train(ranks: 2, arguments + ["--seed", "5"])
    #expect(again.status != 0 && again.errors.contains("holds a run already"))
    #expect(
      try Data(contentsOf: URL(filePath: directory.path("run/model.safetensors"))) == model)
  }

  /// A learning rate that overflows in the first step: every later gradient is not finite.
  @Test(arguments: [nil, 3], ["sgd", "mfac"])
  func gradientsThatAreNotFiniteAreLeftOut(ranks: Int?, optimizer: String) throws {
    for policy in ["stop", "skip"] {
      let directory = try TemporaryDirectory()
      let run = directory.path("run")
      let outcome = try Program.train(
        ranks: ranks,
        [
          "--dataset", "digits", "--model", "mlp", "--optimizer", optimizer,
          "--learning-rate", "1e38", "--steps", "20", "--on-nonfinite", policy,
          "--run-directory", run,
        ])
      let steps = try MetricsLine.read(run).filter { $0.skipped != nil }
      let skipped = steps.filter { $0.skipped == true }
      #expect(skipped.count == (policy == "stop" ? 10 : 19))
      #expect(skipped.allSatisfy { $0.gradientNorm == nil })
      let lines = outcome.output.components(separatedBy: "is not finite; the step is left out")
      #expect(lines.count - 1 == skipped.count)
      if policy == "stop" {
        #expect(outcome.status != 0 && outcome.errors.contains("step 11"))
        #expect(outcome.errors.components(separatedBy: "Error: ").count == 2)
      } else {
        #expect(outcome.status == 0)
      }
    }
  }

  /// A rank that fails alone, or is killed, ends the job within seconds.
  @Test(arguments: ["throws", "killed"])
  func oneRankEndsTheJob(how: String) throws {
    let directory = try TemporaryDirectory()
    let run = directory.path("run")
    let process = Program.process(
      ranks: 3,
      ["--dataset", "digits", "--model", "mlp", "--epochs", "100000", "--run-directory", run])
    let watcher = Thread {
      while !FileManager.default.fileExists(atPath: "\(run)/model.safetensors") { usleep(10_000) }
      if how == "throws" {
        // Rank 0 cannot save at the end of the next epoch.
        try? FileManager.default.removeItem(atPath: run)
      } else if let victim = Self.rank(1, runningWith: run) {
        kill(victim, SIGKILL)
      }
    }
    watcher.start()
    let outcome = try Program.run(process)
    #expect(outcome.status != 0)
    #expect(outcome.seconds < 30)
    if how == "throws" { #expect(outcome.errors.contains("rank 0: \(run)/model.safetensors")) }
  }

  /// The process of a rank, found by its arguments and its launcher's environment.
  private static func rank(_ rank: Int, runningWith argument: String) -> pid_t? {
    let processes = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
    return processes.compactMap { pid_t($0) }.first { process in
      func text(_ name: String) -> String {
        let bytes = FileManager.default.contents(atPath: "/proc/\(process)/\(name)") ?? Data()
        return String(decoding: bytes, as: UTF8.self)
      }
      return text("cmdline").contains("swift-mfac-train\0") && text("cmdline").contains(argument)
        && text("environ").contains("OMPI_COMM_WORLD_RANK=\(rank)\0")
    }
  }
}
