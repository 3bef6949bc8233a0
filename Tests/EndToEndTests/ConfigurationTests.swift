import Foundation
import Testing

@Suite(.serialized) struct ConfigurationTests {
  @Test func aRunIsRepeatedFromItsOwnConfiguration() throws {
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

  @Test func everyFlagIsAKeyAndFlagsWin() throws {
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

    // The help names no flag that the resolved file, or the file's rules, would not.
    let help = try Program.train(["--help"]).output
    let flags = help.matches(of: /--([a-z-]+)( <|\/--no-)/).map { String($0.1) }
    let keys = Set(lines.map { String($0.prefix { $0 != ":" }) })
    let unset = Set(flags).subtracting(keys)
    // Of other kinds of data.
    let others: Set = [
      "context-length", "vocabulary", "task", "target", "test-csv", "test-fraction",
    ]
    #expect(
      unset
        == others.union([
          "config", "epochs", "initial-weights", "clip-norm", "damping-final", "evaluate-every",
          "save-every-steps", "save-every-minutes", "masks", "sparsity", "prune-schedule",
          "prune-begin", "prune-end", "prune-every", "include", "exclude", "scope", "regrow",
          "regrow-share", "regrow-decay", "spectrum-every",
        ]))
  }

  @Test func aFileAndFlagsMayEachBeHalfOfASetting() throws {
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
