import Foundation
import RunRecords
import Support
import Testing

@Suite(.serialized) struct ConfigurationTests {
  @Test("a run is repeated from its own configuration") func repeatedRun() throws {
    let directory = try TemporaryDirectory()
    let (first, second) = (directory.path("first"), directory.path("second"))
    let given = try Program.train([
      "--dataset", "digits", "--model", "mlp", "--batch-size", "40", "--steps", "7",
      "--window", "5", "--momentum", "0.5", "--input-scale", "1/32", "--input-mean", "0.25",
      "--input-std", "0.5", "--loss", "mean-squared-error", "--schedule", "step",
      "--drop-every", "3", "--drop-factor", "0.5", "--warm-up-steps", "2", "--seed", "11",
      "--order", "sequential", "--run-directory", first,
    ])
    try #require(given.status == 0, "\(given.errors)")
    let repeated = try Program.train([
      "--config", "\(first)/config.yaml", "--run-directory", second,
    ])
    try #require(repeated.status == 0, "\(repeated.errors)")
    #expect(
      FileManager.default.contentsEqual(
        atPath: "\(first)/model.safetensors", andPath: "\(second)/model.safetensors"))
    #expect(try MetricsLine.read(first).compactMap(\.loss).count == 7)
  }

  /// The file records the defaults of a solver, and repeats the run. With another solver these
  /// defaults have no effect; the user's own settings remain.
  @Test("another solver replaces the defaults of the first") func replacedDefaults() throws {
    let directory = try TemporaryDirectory()
    func train(_ name: String, _ arguments: [String]) throws -> Program.Outcome {
      try Program.train(arguments + ["--run-directory", directory.path(name)])
    }
    func lines(_ name: String) throws -> Set<Substring> {
      Set(
        try String(contentsOfFile: directory.path("\(name)/config.yaml"), encoding: .utf8)
          .split(separator: "\n"))
    }
    func repeats(_ name: String, _ run: String) throws -> Bool {
      let outcome = try train(name, ["--config", directory.path("\(run)/config.yaml")])
      try #require(outcome.status == 0, "\(outcome.errors)")
      return try trainedNetwork(of: directory.path(name))
        == trainedNetwork(of: directory.path(run))
    }
    let settings = [
      "--dataset", "digits", "--model", "mlp", "--steps", "5", "--optimizer", "kfac", "--damping",
      "0.1", "--learning-rate", "0.01",
    ]
    #expect(try train("cg", settings + ["--solver", "cg"]).status == 0)
    #expect(try train("cholesky", settings + ["--solver", "cholesky"]).status == 0)
    #expect(try repeats("cg-again", "cg") && repeats("cholesky-again", "cholesky"))
    for (from, to, form, every) in [
      ("cg", "cholesky", "factored", "10"), ("cholesky", "cg", "exact", "1"),
      ("cg", "eigen", "factored", "10"), ("cholesky", "eigen", "factored", "10"),
    ] {
      let name = "\(from)-\(to)"
      let outcome = try train(
        name, ["--config", directory.path("\(from)/config.yaml"), "--solver", to])
      try #require(outcome.status == 0, "\(name): \(outcome.errors)")
      #expect(
        try lines(name).isSuperset(of: [
          "solver: \(to)", "damping-form: \(form)", "factor-every: \(every)",
        ]))
      guard to != "eigen" else { continue }
      #expect(
        try trainedNetwork(of: directory.path(name)) == trainedNetwork(of: directory.path(to)))
    }
    // A value other than the default counts as the user's choice.
    #expect(try train("asked", settings + ["--factor-every", "3"]).status == 0)
    let asked = ["--config", directory.path("asked/config.yaml")]
    let refused = try train("refused", asked + ["--solver", "cg"])
    #expect(refused.status != 0 && refused.errors.contains("--factor-every: expected 1 with"))
    #expect(try train("eigen", asked + ["--solver", "eigen"]).status == 0)
    #expect(try lines("eigen").contains("factor-every: 3"))
  }

  /// Other tools rewrite a run's file as JSON, or as YAML with sorted keys, quotes, null, and true
  /// for yes.
  @Test("a configuration rewritten by another tool repeats the run") func rewrittenFile() throws {
    let directory = try TemporaryDirectory()
    let table = try directory.write(
      "1,yes,010\n" + (0..<40).map { "\($0 % 5),\($0 % 7),\($0 % 3)\n" }.joined(), to: "t.csv")
    func run(_ name: String, _ settings: String) throws -> (Data, String) {
      let file = try directory.write(settings, to: "settings")
      let outcome = try Program.train(
        ["--config", file, "--dataset", "csv:\(table)", "--run-directory", directory.path(name)])
      try #require(outcome.status == 0, "\(name): \(outcome.errors)")
      return (
        try trainedNetwork(of: directory.path(name)),
        try String(contentsOfFile: directory.path("\(name)/config.yaml"), encoding: .utf8)
          .replacing(directory.path(name), with: "RUN")
      )
    }
    let (model, written) = try run(
      "own",
      """
      model: mlp
      task: classification
      target: yes
      header: yes
      steps: 6
      batch-size: 8
      learning-rate: 1e-05
      log-view: on
      checkpoint-window: no
      include: "*.weight"
      sparsity: 0.5
      prune-every: 2
      groups: [{match: "*.bias", mfac: no, weight-decay: 0}]
      """)
    // Names that YAML would read as another type are quoted.
    #expect(
      written.contains("\ntarget: \"yes\"\n") && written.contains("\ncheckpoint-window: no\n"))
    let yaml = """
      batch-size: 8
      checkpoint-window: false
      clip-norm: null
      groups:
      - learning-rate: null
        match: '*.bias'
        mfac: false
        weight-decay: 0.0
      header: true
      include:
      - '*.weight'
      learning-rate: 1.0e-05
      log-view: true
      model: 'mlp'
      prune-every: 2
      sparsity: 0.5
      steps: '6'
      target: 'yes'
      task: classification
      """
    let json = """
      {"batch-size": 8, "checkpoint-window": false, "groups": [{"learning-rate": null, \
      "match": "*.bias", "mfac": false, "weight-decay": 0.0}], "header": true, "include": \
      ["*.weight"], "learning-rate": 1e-05, "log-view": "true", "model": "mlp", "sparsity": 0.5, \
      "prune-every": 2, "steps": 6, "clip-norm": null, "target": "yes", "task": "classification"}
      """
    for (name, text) in [("yaml", "\u{FEFF}" + yaml), ("json", json)] {
      let again = try run(name, text)
      #expect(again.0 == model && again.1 == written, "\(name): \(again.1)")
    }
  }

  @Test("every flag is a key, and flags override keys") func flagsAndKeys() throws {
    let directory = try TemporaryDirectory()
    let run = directory.path("run")
    let file = try directory.write(
      "dataset: digits\nmodel: mlp\nwindow: 9\nepochs: 2\nbatch-size: 40\nlog-view: yes\n"
        + "damping-relative: true\n", to: "settings.yaml")
    let outcome = try Program.train([
      "--config", file, "--window", "4", "--no-damping-relative", "--steps", "3", "--run-directory",
      run,
    ])
    try #require(outcome.status == 0, "\(outcome.errors)")
    let configuration = try String(contentsOfFile: "\(run)/config.yaml", encoding: .utf8)
    let lines = configuration.split(separator: "\n")
    #expect(lines.contains("window: 4") && lines.contains("batch-size: 40"))
    #expect(lines.contains("log-view: true") && lines.contains("damping-relative: false"))
    #expect(lines.contains("steps: 3") && !configuration.contains("epochs"))

    // The help lists no flag that is missing both in the resolved file and in the list of
    // exceptions.
    let help = try Program.train(["--help-hidden"]).output
    let flags = help.matches(of: /--([a-z-]+)( <|\/--no-)/).map { String($0.1) }
    let keys = Set(lines.map { String($0.prefix { $0 != ":" }) })
    let unset = Set(flags).subtracting(keys)
    // Settings for other kinds of data.
    let others: Set = [
      "context-length", "vocabulary", "token-type", "task", "target", "header", "test-csv",
      "test-fraction",
    ]
    #expect(
      unset
        == others.union([
          "config", "epochs", "weights", "kl-clip", "kl-clip-relative", "damping-final",
          "evaluate-every",
          "save-every-steps", "save-every-minutes", "masks", "sparsity", "prune-schedule",
          "prune-begin", "prune-end", "prune-every", "include", "exclude", "scope", "regrow",
          "regrow-share", "regrow-decay", "spectrum-every",
        ]))
  }

  @Test("a file and flags may each hold a part of the settings") func splitSetting() throws {
    let directory = try TemporaryDirectory()
    let file = try directory.write(
      "dataset: digits\nmodel: mlp\nbatch-size: 48\ninitial-weights: null\n", to: "half.yaml")
    let outcome = try Program.train([
      "--config", file, "--micro-batches", "6", "--steps", "2", "--run-directory",
      directory.path("run"),
    ])
    #expect(outcome.status == 0, "\(outcome.errors)")
    let other = try directory.write("dataset: digits\nmicro-batches: 6\n", to: "other.yaml")
    let refused = try Program.train(["--config", other, "--batch-size", "64"])
    #expect(refused.status != 0 && refused.errors.contains("a multiple of --micro-batches, 6"))
  }
}
