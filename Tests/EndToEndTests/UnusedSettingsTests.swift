import Foundation
import Support
import Testing

/// Tests settings that have no effect in combination with others: they are refused by name, or a
/// warning names them. Defaults cause neither.
@Suite(.serialized) struct UnusedSettingsTests {
  private let directory = try! TemporaryDirectory()
  private static let digits = ["--dataset", "digits", "--model", "mlp", "--steps", "2"]

  /// Options, the arguments that make them useless, and a part of the message.
  static let ofTraining: [(options: String, beside: String, says: String)] = [
    (
      """
      --window=9 --window-type=bfloat16 --window-density=0.5 --insert-every=2 \
      --precondition-every=2 --damping-relative --preset=published --metric=adam \
      --history-decay=0.5 --history=nesterov --metric-decay=0.9 --metric-epsilon=1
      """, "--optimizer sgd", "--optimizer mfac"
    ),
    (
      "--kl-clip=1 --kl-clip-relative=1 --kl-budget=1", "--optimizer sgd",
      "--optimizer mfac or kfac"
    ),
    ("--metric-decay=0.9 --metric-epsilon=1", "--preset published", "--metric identity"),
    ("--history=nesterov", "--history-decay 0", "--history-decay above 0"),
    (
      "--window=9 --damping-relative", "--optimizer kfac", "--optimizer mfac"
    ),
    (
      """
      --checkpoint-window=no --damping=1 --damping-schedule=linear --damping-final=1 \
      --damping-every=2 --damping-minimum=1e-9 --damping-maximum=9
      """, "--optimizer adamw", "not with --optimizer adamw"
    ),
    (
      "--damping-every=2 --damping-minimum=1e-9 --damping-maximum=9", "--optimizer kfac",
      "levenberg-marquardt, not with --damping-schedule constant"
    ),
    (
      """
      --kfac-setting=expand --fisher=type2 --fisher-samples=2 --factor-decay=0.5 --factor-every=2 \
      --inverse-every=2 --damping-form=same --solver=eigen --step=adaptive \
      --kfac-normalization=block --kfac-grad-workers=0.5 --kfac-factors=all --cg-operator=fisher \
      --cg-tolerance=0.1 --cg-iterations=3 --no-cg-warm-start
      """, "--optimizer mfac", "not with --optimizer mfac"
    ),
    ("--fisher-samples=2", "--optimizer kfac --fisher type2", "--fisher mc"),
    ("--cg-iterations=2 --cg-warm-start", "--optimizer kfac --solver eigen", "--solver cg"),
    ("--kfac-factors=all", "--optimizer kfac --solver cg", "--solver cholesky or eigen"),
    (
      "--learning-rate=1 --momentum=0.5 --schedule=linear --warm-up-steps=1",
      "--optimizer kfac --step adaptive", "--step fixed"
    ),
    ("--drop-every=3 --drop-factor=0.5", "--schedule cosine", "--schedule step"),
    ("--weight-decay-mode=coupled", "--optimizer adamw", "an optimizer other than adamw"),
    (
      "--prune-method=mfac --include=1.* --exclude=1.* --scope=uniform --max-tensor-sparsity=0.5",
      "",
      "--sparsity"
    ),
    (
      "--prune-gradients=9 --prune-gradient-batch=2 --prune-damping=1 --prune-update=none",
      "--sparsity 0.5", "not with --prune-method magnitude"
    ),
    ("--prune-block-size=9", "--sparsity 0.5 --prune-method mfac", "--prune-method woodfisher"),
    ("--max-tensor-sparsity=0.5", "--regrow random --masks m.safetensors", "--prune-schedule"),
  ]

  @Test("training refuses settings without effect") func unusedTrainingSettings() throws {
    for (options, beside, says) in Self.ofTraining {
      for option in options.split(separator: " ").map(String.init) {
        let outcome = try Program.train(
          Self.digits + beside.split(separator: " ").map(String.init)
            + [option, "--run-directory", directory.path("run")])
        let flag = option.prefix { $0 != "=" }.replacing("--no-", with: "--")
        #expect(outcome.status != 0, "\(option) with \(beside)")
        #expect(
          outcome.errors.hasPrefix("Error: \(flag) applies only with ")
            && outcome.errors.contains(says), "\(option) with \(beside): \(outcome.errors)")
      }
    }
    #expect(!FileManager.default.fileExists(atPath: directory.path("run")))
  }

  @Test("pruning and benchmarks refuse settings without effect")
  func unusedProgramSettings() throws {
    let pruning = [
      "--dataset", "digits", "--model", "mlp", "--weights", "w.safetensors", "--sparsity", "0.5",
      "--output", directory.path("out"),
    ]
    for (program, arguments, options, says) in [
      (
        Program.prune, pruning + ["--method", "magnitude"],
        """
        --damping=1 --page-directory=/tmp --gradients=9 --gradient-batch=2 --block-size=9 \
        --block-scope=all --update=none --gradient-scale=1 --update-step=0.5
        """, "not with --method magnitude"
      ),
      (
        Program.prune, pruning + ["--method", "diagonal"],
        "--update=none --update-step=0.5 --block-size=9",
        "not with --method diagonal"
      ),
      (Program.prune, pruning + ["--method", "mfac"], "--block-scope=all", "--method woodfisher"),
      (
        Program.bench, ["step", "--model", "mlp", "--optimizer", "sgd"],
        "--window=2 --window-type=bfloat16 --window-density=0.5", "--optimizer mfac"
      ),
      (
        Program.bench, ["step", "--model", "mlp"],
        "--solver=eigen --factor-every=2 --inverse-every=2 --kfac-grad-workers=0.5",
        "--optimizer kfac"
      ),
      (
        Program.bench, ["step", "--model", "mlp", "--optimizer", "kfac"], "--cg-iterations=2",
        "--solver cg"
      ),
    ] {
      for option in options.split(separator: " ").map(String.init) {
        let outcome = try Program.run(
          Program.process(ranks: nil, program: program, arguments + [option]))
        #expect(outcome.status != 0, "\(option)")
        #expect(
          outcome.errors.hasPrefix(
            "Error: \(option.prefix { $0 != "=" }) applies only with ")
            && outcome.errors.contains(says), "\(option): \(outcome.errors)")
      }
    }
    let part = try Program.run(
      Program.process(
        ranks: nil, program: Program.bench,
        [
          "scaling", "--part", "optimizer", "--parameters", "3000", "--window", "4", "--steps", "1",
          "--model", "mlp",
        ]))
    #expect(part.status == 0)
    #expect(part.errors == "warning: --model has no effect with --part optimizer\n")
  }

  /// A run's own file has all settings, including those of an optimizer that has been replaced.
  @Test("settings in a run's own configuration are not refused") func runConfiguration() throws {
    func train(_ name: String, _ arguments: [String]) throws -> Program.Outcome {
      try Program.train(arguments + ["--run-directory", directory.path(name)])
    }
    func file(_ name: String) -> [String] {
      ["--config", directory.path("\(name)/config.yaml")]
    }
    for (name, arguments) in [
      ("mfac", Self.digits + ["--window", "9", "--damping", "0.01"]),
      ("sgd", file("mfac") + ["--optimizer", "sgd"]), ("again", file("sgd")),
      ("kfac", file("mfac") + ["--optimizer", "kfac"]),
      ("adamw", file("kfac") + ["--optimizer", "adamw"]),
    ] {
      let outcome = try train(name, arguments)
      #expect(outcome.status == 0 && outcome.errors.isEmpty, "\(name): \(outcome.errors)")
    }
    #expect(
      try trainedNetwork(of: directory.path("again")) == trainedNetwork(of: directory.path("sgd")))
  }

  @Test("keys of a user's file are refused like flags") func fileKeys() throws {
    let run = ["--dataset", "digits", "--model", "mlp", "--steps", "2", "--dry-run"]
    for (text, arguments, refused, says) in [
      (
        "optimizer: sgd\nwindow: 9\n", [], true,
        "FILE: window applies only with --optimizer mfac"
      ),
      // The key repeats the default.
      ("optimizer: sgd\nwindow: 128\ndamping: 0.0001\n", [], false, nil),
      ("optimizer: sgd\nwindow: 9\n", ["--optimizer", "mfac"], false, nil),
      (
        "window: 9\n", ["--optimizer", "sgd"], false,
        "warning: FILE: window has no effect: it applies only with --optimizer mfac, not with "
          + "--optimizer sgd\n"
      ),
    ] as [(String, [String], Bool, String?)] {
      let file = try directory.write(text, to: "settings.yaml")
      let outcome = try Program.train(run + ["--config", file] + arguments)
      #expect((outcome.status != 0) == refused, "\(text): \(outcome.errors)")
      let errors = outcome.errors.replacing(file, with: "FILE")
      #expect(says.map(errors.contains) ?? errors.isEmpty, "\(text): \(errors)")
    }
  }
}
