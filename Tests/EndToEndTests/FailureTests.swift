import Foundation
import RunRecords
import Support
import Testing

/// Tests bad input and failures: one clear message, a non-zero status, and no process left hanging.
@Suite struct FailureTests {
  @Test("bad input is refused in one message", arguments: refused.indices)
  func badInput(index: Int) throws {
    let (arguments, text, says) = Self.refused[index]
    let directory = try TemporaryDirectory()
    let file = try directory.write(text, to: "FILE")
    for ranks in [nil, 3] {
      let run = directory.path("run-\(ranks ?? 0)")
      let given =
        ["--dataset", "digits", "--run-directory", run]
        + arguments.map { $0 == "FILE" ? file : $0 }
      let outcome = try Program.train(ranks: ranks, given)
      #expect(outcome.status != 0, "\(arguments)")
      let errors = outcome.errors.replacing(file, with: "FILE")
      let count = errors.components(separatedBy: "Error: ").count - 1
      #expect(count == 1, "\(arguments) at \(ranks ?? 0) ranks: \(errors)")
      for part in says { #expect(errors.contains(part), "'\(part)' in \(errors)") }
      #expect(!errors.contains("Fatal") && !errors.contains("***"), "\(errors)")
      // Nothing was trained.
      #expect(!FileManager.default.fileExists(atPath: "\(run)/model.safetensors"))
      // Refusals before MPI starts are the same for any number of ranks, except for files.
      if errors.contains("\nUsage: "), text.isEmpty, index % 6 != 0 { break }
    }
  }

  /// All ranks of a real run see the bad data and weights.
  @Test("bad files are refused in one message") func badFiles() throws {
    let directory = try TemporaryDirectory()
    let digits = "\(Program.package)/Sources/CDigits"
    let names = ["train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1"]
    func data(_ name: String, _ change: (String) throws -> Void) throws -> String {
      let folder = directory.path(name)
      try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
      for name in names {
        try FileManager.default.copyItem(
          atPath: "\(digits)/\(name)-ubyte.gz", toPath: "\(folder)/\(name)-ubyte.gz")
      }
      try change(folder)
      return "idx:\(folder)"
    }
    let truncated = try data("truncated") { folder in
      let path = "\(folder)/train-images-idx3-ubyte.gz"
      truncate(path, 20_000)
    }
    let missing = try data("missing") { folder in
      try FileManager.default.removeItem(atPath: "\(folder)/t10k-labels-idx1-ubyte.gz")
    }
    let mislabelled = try data("mislabelled") { folder in
      let path = "\(folder)/train-images-idx3-ubyte.gz"
      try FileManager.default.removeItem(atPath: path)
      try FileManager.default.copyItem(
        atPath: "\(folder)/train-labels-idx1-ubyte.gz", toPath: path)
    }
    let weights =
      "\(Program.package)/Tests/EndToEndTests/Trajectories/digits-mlp-initial.safetensors"
    for (arguments, says) in [
      (["--dataset", truncated], "train-images-idx3-ubyte.gz"),
      (["--dataset", missing], "t10k-labels-idx1-ubyte"),
      (["--dataset", mislabelled], "3 dimensions"),
      (
        ["--dataset", "digits", "--model", "mlp", "--weights", weights], "tensor '1.weight'"
      ),
    ] {
      let outcome = try Program.train(
        ranks: 3, arguments + ["--run-directory", directory.path("run")])
      #expect(outcome.status != 0)
      #expect(outcome.errors.components(separatedBy: "Error: ").count == 2, "\(outcome.errors)")
      #expect(outcome.errors.contains(says), "'\(says)' in \(outcome.errors)")
    }
  }

  /// Each rank runs in its own directory; model files of the same name differ, or one is missing.
  @Test("ranks with different models do not train", arguments: ["tanh", nil])
  func differentModels(layer: String?) throws {
    let directory = try TemporaryDirectory()
    for (rank, layer) in ["relu", layer].enumerated() {
      try FileManager.default.createDirectory(
        atPath: directory.path("\(rank)"), withIntermediateDirectories: true)
      guard let layer else { continue }
      _ = try directory.write(
        "input: [64]\nlayers: [{linear: {in: 64, out: 10}}, \(layer)]", to: "\(rank)/model.yaml")
    }
    let program = """
      cd "\(directory.root)/$OMPI_COMM_WORLD_RANK" && exec "\(Program.train)" --dataset digits \
      --model model.yaml --steps 2 --run-directory "\(directory.path("run"))"
      """
    let outcome = try Program.run(
      Program.process(ranks: 2, program: "bash", ["-c", program]))
    #expect(outcome.status != 0)
    #expect(outcome.errors.components(separatedBy: "Error: ").count == 2, "\(outcome.errors)")
    #expect(
      outcome.errors.contains(layer == nil ? "rank 1: model.yaml" : "model.yaml must be the same"))
  }

  /// The message gives the memory before it is allocated, and the largest window that fits.
  @Test("a run that does not fit names the largest window that does") func tooLargeRun() throws {
    let directory = try TemporaryDirectory()
    let model = try directory.write(
      """
      input: [1, 8, 8]
      layers: [flatten, {linear: {in: 64, out: 3000}}, tanh, {linear: {in: 3000, out: 10}}]
      """, to: "model.yaml")
    func train(window: Int, _ more: String = "") throws -> Program.Outcome {
      let process = Process()
      process.executableURL = URL(filePath: "/bin/bash")
      process.arguments = [
        "-c",
        """
        ulimit -v 700000; exec "\(Program.train)" --dataset digits --model \(model) \
        --window \(window) --steps 2 --run-directory "\(directory.path("run"))" --dry-run \(more)
        """,
      ]
      return try Program.run(process)
    }
    let refused = try train(window: 20000)
    #expect(refused.status == 1)
    #expect(refused.output.contains("GiB a rank, of which the optimizer "))
    let found = try #require(
      refused.errors.firstMatch(
        of: /--window (\d+) is the largest that fits, or --window (\d+) (--window-type .*)\)/),
      "\(refused.errors)")
    let (window, smaller) = (try #require(Int(found.1)), try #require(Int(found.2)))
    #expect(window < smaller)
    // The memory in the message is enough, except for other memory that the process takes in the
    // meantime.
    let fitting = try train(window: window * 99 / 100)
    #expect(fitting.status == 0, "\(fitting.errors)")
    #expect(try train(window: window * 101 / 100).status == 1)
    #expect(try train(window: smaller * 99 / 100, "\(found.3)").status == 0)
    // A window that fits in another form only.
    let form = try train(window: window * 3 / 2)
    #expect(
      form.errors.contains("(with --window-type int8 it fits; otherwise --window "),
      "\(form.errors)")
  }

  @Test("more ranks than micro-batches are refused") func tooManyRanks() throws {
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

  @Test("help is printed once by any number of ranks") func helpOnce() throws {
    for ranks in [nil, 3] {
      let outcome = try Program.train(ranks: ranks, ["--help"])
      #expect(outcome.status == 0)
      #expect(outcome.output.components(separatedBy: "USAGE:").count == 2)
    }
  }

  @Test("subcommands list their options") func subcommandHelp() throws {
    for (program, command, option) in [
      (Program.fisher, "element", "--at"), (Program.report, "plot", "<reports>"),
    ] {
      for arguments in [["help", command], [command, "--help"]] {
        let outcome = try Program.run(
          Program.process(ranks: nil, program: program, arguments))
        #expect(outcome.status == 0)
        #expect(outcome.output.contains("  \(option)"), "\(outcome.output)")
      }
    }
  }

  @Test("an older run is not overwritten") func olderRun() throws {
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

  /// The learning rate overflows in the first step: every later gradient is not finite. A loss that
  /// is not finite is null in its line, and so is its root.
  @Test("a loss that is not finite is logged") func nonFiniteLoss() throws {
    let directory = try TemporaryDirectory()
    let table = try directory.write(
      "a,b,y\n" + (0..<60).map { "\($0),\($0 * $0 % 7),\(3 * $0)\n" }.joined(), to: "table.csv")
    let model = try directory.write(
      "input: [2]\nlayers: [{linear: {in: 2, out: 1}}]", to: "model.yaml")
    let run = directory.path("run")
    let outcome = try Program.train([
      "--dataset", "csv:\(table)", "--model", model, "--optimizer", "sgd", "--learning-rate",
      "1e30",
      "--batch-size", "8", "--steps", "4", "--evaluate-every", "2", "--on-nonfinite", "skip",
      "--tensorboard", "--run-directory", run,
    ])
    #expect(outcome.status == 1)
    #expect(
      outcome.errors.hasPrefix("Error: the trained network's test loss is not finite"),
      "\(outcome.errors)")
    let lines = try String(contentsOfFile: "\(run)/metrics.jsonl", encoding: .utf8)
      .split(separator: "\n").filter { $0.contains("\"test_loss\":null") }
    #expect(lines.count == 2 && lines.allSatisfy { $0.contains("\"test_rmse\":null") }, "\(lines)")
    let report = try Program.run(
      Program.process(
        ranks: nil, program: Program.report,
        [run, "--output", directory.path("report.html")]))
    #expect(report.status == 0, "\(report.errors)")
  }

  @Test(
    "gradients that are not finite are skipped or stop the run",
    arguments: [nil, 3], ["sgd", "mfac"])
  func nonFiniteGradients(ranks: Int?, optimizer: String) throws {
    for policy in ["stop", "skip"] {
      let directory = try TemporaryDirectory()
      let run = directory.path("run")
      let outcome = try Program.train(
        ranks: ranks,
        [
          "--dataset", "digits", "--model", "mlp", "--optimizer", optimizer,
          "--learning-rate", "1e38", "--steps", "20", "--on-nonfinite", policy,
          "--run-directory", run,
        ] + (optimizer == "mfac" ? ["--kl-clip", "inf"] : []))
      let steps = try MetricsLine.read(run).filter { $0.skipped != nil }
      let skipped = steps.filter { $0.skipped == true }
      #expect(skipped.count == (policy == "stop" ? 10 : 19))
      #expect(skipped.allSatisfy { $0.gradientNorm == nil })
      // The log has null for the norm instead of omitting it.
      let text = try String(contentsOfFile: "\(run)/metrics.jsonl", encoding: .utf8)
      #expect(text.components(separatedBy: "\"gradient_norm\":null").count - 1 == skipped.count)
      let lines = outcome.output.components(separatedBy: "is not finite; the step is skipped")
      #expect(lines.count - 1 == skipped.count)
      if policy == "stop" {
        #expect(outcome.status != 0 && outcome.errors.contains("step 11"))
        #expect(outcome.errors.components(separatedBy: "Error: ").count == 2)
      } else {
        // The run completes; but the result is not finite and is not saved.
        #expect(steps.count == 20)
        #expect(outcome.status != 0 && outcome.errors.contains("test loss is not finite"))
        #expect(!FileManager.default.fileExists(atPath: "\(run)/model.safetensors"))
      }
    }
  }

  /// A job ends within seconds if a rank is killed or the launcher gets a signal. If files cannot
  /// be written, it runs to its end.
  @Test(
    "a job ends after a kill or a signal, and survives failed writes",
    arguments: ["cannot write", "killed", "told"])
  func jobEnd(how: String) throws {
    let directory = try TemporaryDirectory()
    let run = directory.path("run")
    let process = Program.process(
      ranks: 3, graceSeconds: 1,
      ["--dataset", "digits", "--model", "mlp", "--epochs", "100000", "--run-directory", run])
    let watcher = Thread {
      while !FileManager.default.fileExists(atPath: "\(run)/model.safetensors") { usleep(10_000) }
      if how == "told" {
        process.terminate()
      } else if how == "cannot write" {
        // A save in progress leaves a file behind: repeat until all is gone.
        while FileManager.default.fileExists(atPath: run) {
          try? FileManager.default.removeItem(atPath: run)
        }
        sleep(1)
        process.terminate()
      } else if let victim = Program.rank(1, runningWith: run) {
        kill(victim, SIGKILL)
      } else {
        process.terminate()
      }
    }
    watcher.start()
    let outcome = try Program.run(process)
    #expect(outcome.status != 0)
    let says = [
      "cannot write": "the network was not saved: \(run)/model.safetensors", "killed": "signal 9",
    ]
    if let message = says[how] {
      #expect(outcome.errors.contains(message), "\(outcome.errors)")
    }
    // The launcher may end a moment before the ranks that it has killed.
    for _ in 0..<50 where Program.rank(0, runningWith: run) != nil { usleep(100_000) }
    #expect(Program.rank(0, runningWith: run) == nil)
  }
}
