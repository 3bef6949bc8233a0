import Foundation
import Support
import Testing

/// Tests that the message about an unknown name suggests the intended one.
@Suite struct OptionAdviceTests {
  static let names: [(program: String, arguments: [String], says: String)] = [
    (Program.train, ["--lr", "0.1"], "'--lr': type --learning-rate"),
    (Program.train, ["--bs=32"], "'--bs': type --batch-size"),
    (Program.train, ["--wd", "0"], "'--wd': type --weight-decay"),
    (Program.train, ["--model-file", "m.yaml"], "'--model-file': type --model"),
    (Program.train, ["--batch_size", "3"], "'--batch_size': type --batch-size"),
    (Program.train, ["--learningRate", "3"], "'--learningRate': type --learning-rate"),
    (Program.train, ["--windows", "3"], "'--windows': type --window"),
    (Program.train, ["--max-grad-norm", "3"], "'--max-grad-norm': type --clip-norm"),
    (Program.train, ["--output-dir", "x"], "'--output-dir': type --run-directory"),
    (Program.train, ["--pruning-method", "x"], "'--pruning-method': type --prune-method"),
    (Program.train, ["--zzz", "x"], "'--zzz': --help lists the options"),
    (Program.prune, ["--output-dir", "x"], "'--output-dir': type --output"),
    (Program.report, ["plot", "r.json", "--out-dir", "x"], "'--out-dir': type --output"),
    (Program.bench, ["window", "--window-size", "3"], "'--window-size': type --window"),
    (Program.fisher, ["check", "--data", "digits"], "'--data': type --dataset"),
  ]

  @Test("an unknown option is answered with the nearest one", arguments: names.indices)
  func nearestOption(index: Int) throws {
    let (program, arguments, says) = Self.names[index]
    let outcome = try Program.run(Program.process(ranks: nil, program: program, arguments))
    #expect(outcome.status == 64)
    #expect(outcome.errors.hasPrefix("Error: Unknown option \(says)\n"), "\(outcome.errors)")
    #expect(!outcome.errors.contains("Did you mean"))
  }

  /// A warning gives the new name; the program then behaves as with that name.
  @Test(
    "names of an earlier version are understood",
    arguments: [
      (Program.train, ["--initial-weights", "/nowhere"], "weights"),
      (Program.train, ["--initial-weights=/nowhere"], "weights"),
      (Program.prune, ["--step", "2"], "update-step"),
      (Program.bench, ["window", "--windows", "0"], "window"),
      (Program.report, ["/nowhere", "--out", "page.html"], "output"),
    ])
  func earlierNames(
    program: String, arguments: [String], now: String
  ) throws {
    let old = try #require(arguments.first { $0.hasPrefix("--") }).split(separator: "=")[0]
    func errors(_ arguments: [String]) throws -> String {
      let more =
        switch program {
        case Program.train: ["--dataset", "digits", "--run-directory", "/nowhere/run"]
        case Program.prune: ["--weights", "/nowhere", "--output", "/nowhere/pruned"]
        default: [] as [String]
        }
      return try Program.run(
        Program.process(ranks: nil, program: program, arguments + more)
      ).errors
    }
    let said = try errors(arguments)
    let warning = "warning: \(old) is now --\(now); the next version drops the old name\n"
    #expect(said.hasPrefix(warning), "\(said)")
    #expect(
      try errors(arguments.map { $0.replacing(old, with: "--\(now)") })
        == said.dropFirst(warning.count))
  }

  @Test("an unknown key is answered with the nearest one") func unknownKeys() throws {
    let directory = try TemporaryDirectory()
    let file = try directory.write("window: 5\nlr: 0.1\n", to: "settings.yaml")
    let outcome = try Program.train(["--config", file])
    #expect(outcome.status == 64)
    #expect(
      outcome.errors.hasPrefix("Error: \(file):2: unknown key 'lr': write learning-rate\n"),
      "\(outcome.errors)")
  }

  @Test("refusals say what would be accepted") func usefulRefusals() throws {
    let directory = try TemporaryDirectory()
    let run = directory.path("run")
    let settings = ["--dataset", "digits", "--model", "mlp", "--optimizer", "sgd"]
    #expect(
      try Program.train(
        settings + ["--steps", "2", "--save-every-steps", "2", "--run-directory", run]
      ).status == 0)
    for (ranks, arguments, says) in [
      (nil, ["--batch-size", "60"], "a multiple of --micro-batches, 8, such as 64, got 60"),
      (nil, ["--resume", run], "(type --resume \(checkpoint(run, 2)))"),
      (3, ["--micro-batches", "2"], "got 2 (4 would do)"),
    ] as [(Int?, [String], String)] {
      let outcome = try Program.train(
        ranks: ranks, settings + arguments + ["--run-directory", directory.path("other")])
      #expect(outcome.status != 0 && outcome.errors.contains(says), "\(outcome.errors)")
    }
  }
}
