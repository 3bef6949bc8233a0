import Foundation
import RunRecords
import Support
import Testing

/// Tests K-FAC through the program: the assignment of layers to ranks changes no byte, and
/// impossible settings are refused.
@Suite(.serialized) struct KFACTests {
  private static let settings = [
    "--dataset", "digits", "--model", "cnn", "--optimizer", "kfac", "--damping", "0.1", "--steps",
    "20", "--batch-size", "48", "--momentum", "0.9", "--factor-every", "3", "--inverse-every", "4",
  ]

  @Test("the assignment of layers to ranks changes no byte", arguments: ["eigen", "cholesky"])
  func layerAssignment(solver: String) throws {
    let directory = try TemporaryDirectory()
    var models: Set<Data> = []
    for ranks in [1] + (solver == "eigen" ? [3, 8] : [2, 4]) {
      for (share, factors) in [("0.001", "owners"), ("0.5", "all"), ("1", "owners")] {
        let run = directory.path("\(ranks)-\(share)")
        let outcome = try Program.train(
          ranks: ranks,
          Self.settings + [
            "--solver", solver, "--kfac-grad-workers", share, "--kfac-factors", factors,
            "--run-directory", run,
          ])
        try #require(outcome.status == 0, "\(ranks) ranks, share \(share): \(outcome.errors)")
        models.insert(try trainedNetwork(of: run))
      }
    }
    #expect(models.count == 1)
  }

  private func losses(
    _ directory: TemporaryDirectory, _ name: String, _ settings: [String]
  ) throws -> [MetricsLine] {
    let run = directory.path(name)
    let outcome = try Program.train(settings + ["--run-directory", run])
    try #require(outcome.status == 0, "\(name): \(outcome.errors)")
    return try MetricsLine.read(run).filter { $0.loss != nil }
  }

  /// Factors are those of the whole batch, and an example's draws depend on its place in it. With
  /// other micro-batches only roundings change; other draws, or another N, change more.
  @Test(
    "the number of micro-batches changes only roundings",
    arguments: ["mc", "type2", "empirical"])
  func microBatches(fisher: String) throws {
    let directory = try TemporaryDirectory()
    let all = try ["1", "6", "48"].map {
      try losses(
        directory, $0,
        [
          "--dataset", "digits", "--model", "cnn", "--optimizer", "kfac", "--damping", "0.03",
          "--batch-size", "48", "--steps", "6", "--learning-rate", "1", "--schedule", "constant",
          "--factor-every", "1", "--inverse-every", "1", "--momentum", "0.9", "--fisher", fisher,
          "--kl-clip", "inf", "--micro-batches", $0,
        ]
      ).map { $0.loss! }
    }
    #expect(all[0].count == 6 && all[0][5] < 0.9 * all[0][0])
    for other in all.dropFirst() {
      for (a, b) in zip(all[0], other) { #expect(abs(a - b) <= 1e-5 * b, "\(a), \(b)") }
    }
  }

  /// The steps move nothing, on the same batch: other draws in each give other equations, while the
  /// data's targets stay the same.
  @Test("each step has its own draws", arguments: ["mc", "empirical"])
  func drawsPerStep(fisher: String) throws {
    let directory = try TemporaryDirectory()
    let residuals = try losses(
      directory, "run",
      [
        "--dataset", "digits", "--model", "mlp", "--optimizer", "kfac", "--solver", "cg",
        "--no-cg-warm-start", "--cg-iterations", "3", "--cg-tolerance", "1e-9", "--damping", "0.01",
        "--learning-rate", "1e-30", "--order", "sequential", "--batch-size", "1432", "--steps", "3",
        "--fisher", fisher,
      ]
    ).compactMap(\.cgResidual)
    #expect(residuals.count == 3 && Set(residuals).count == (fisher == "mc" ? 3 : 1))
  }

  /// The model equals a loss that is quadratic in the parameters, with dropout or with positions:
  /// predicted and actual change agree, except for a tiny λ.
  @Test("the model of a quadratic loss predicts its change") func quadraticLoss() throws {
    let directory = try TemporaryDirectory()
    let images = try directory.write(
      """
      input: [1, 8, 8]
      layers: [flatten, {dropout: {probability: 0.4}}, {linear: {in: 64, out: 10}}]
      """, to: "images.yaml")
    let tokens = try directory.write(
      "input: [6]\nlayers: [{embedding: {vocabulary: 256, width: 256}}]", to: "tokens.yaml")
    let words = (0..<4000).map { "\($0 * $0 % 97) " }.joined()
    let text = "text:" + (try directory.write(words, to: "words.txt"))
    for (model, dataset) in [(images, ["digits"]), (tokens, [text, "--context-length", "6"])] {
      let steps = try losses(
        directory, model == images ? "images" : "tokens",
        [
          "--model", model, "--loss", "mean-squared-error", "--optimizer",
          "kfac", "--step", "adaptive", "--damping", "1e-6", "--damping-schedule",
          "levenberg-marquardt", "--damping-every", "1", "--steps", "8", "--batch-size", "48",
          "--dataset",
        ] + dataset)
      let ratios = steps.compactMap(\.reductionRatio)
      #expect(ratios.count == 8 && steps[7].loss! < 0.9 * steps[0].loss!)
      for ratio in ratios { #expect(abs(ratio - 1) <= 0.01, "\(ratio) of \(dataset)") }
    }
  }

  /// A checkpoint holds the averages of the factors unless it is set to leave them out; they then
  /// start from zero.
  @Test("a run resumes without its factors") func missingFactors() throws {
    let directory = try TemporaryDirectory()
    let run = directory.path("run")
    let settings =
      Self.settings + ["--checkpoint-window", "no", "--save-every-steps", "10"]
    #expect(try Program.train(ranks: 2, settings + ["--run-directory", run]).status == 0)
    let resumed = directory.path("resumed")
    let outcome = try Program.train(
      ranks: 3,
      settings + ["--run-directory", resumed, "--resume", "\(run)/checkpoints/step-00000010"])
    #expect(outcome.status == 0, "\(outcome.errors)")
    #expect(outcome.output.contains("resume     at step 10"))
  }

  /// A fixed λ takes the requested value from the resume on; the stored inverses do not serve
  /// another solver.
  @Test("a run resumes with another damping, but not with another solver")
  func changedDampingOrSolver() throws {
    let directory = try TemporaryDirectory()
    let run = directory.path("run")
    let settings = Self.settings + ["--save-every-steps", "10"]
    #expect(try Program.train(settings + ["--run-directory", run]).status == 0)
    let checkpoint = "\(run)/checkpoints/step-00000010"
    let other = directory.path("other")
    let outcome = try Program.train(
      settings + ["--run-directory", other, "--resume", checkpoint, "--damping", "0.5"])
    #expect(outcome.status == 0, "\(outcome.errors)")
    #expect(try MetricsLine.read(other).compactMap(\.damping).allSatisfy { $0 == 0.5 })
    let refused = try Program.train(
      settings + [
        "--run-directory", directory.path("none"), "--resume", checkpoint, "--solver", "eigen",
      ])
    #expect(refused.status == 1)
    #expect(
      refused.errors.contains(
        "is of a run with another --solver: expected eigen, got cholesky"), "\(refused.errors)")
  }

  /// These runs diverge within 20 steps without clipping, or with M-FAC's damping.
  @Test(
    "the default settings train",
    arguments: [
      (["fashion-mnist", "cnn"], "60", 0.8), (["digits", "mlp"], "110", 0.9),
      (["digits", "mlp", "--step", "adaptive"], "110", 0.85),
    ])
  func defaultsTrain(network: [String], steps: String, accuracy: Double) throws {
    let directory = try TemporaryDirectory()
    let run = directory.path("run")
    let outcome = try Program.train(
      ["--dataset", network[0], "--model", network[1]] + network.dropFirst(2) + [
        "--optimizer", "kfac", "--steps", steps, "--evaluate-every", steps, "--run-directory", run,
      ])
    try #require(outcome.status == 0, "\(outcome.errors)")
    let reached = try #require(
      outcome.output.firstMatch(of: /accuracy ([0-9.]+) % after/).flatMap { Double($0.1) })
    #expect(reached / 100 > accuracy)
  }

  @Test(
    "impossible settings are refused",
    arguments: [
      (["--damping-form", "exact"], "--damping-form exact: expected --solver eigen"),
      (["--damping-relative"], "--damping-relative applies only with --optimizer mfac"),
      (["--fisher-samples", "0"], "--fisher-samples: expected"),
      (["--kfac-grad-workers", "0"], "--kfac-grad-workers: expected in (0, 1]"),
      (["--factor-decay", "1"], "--factor-decay: expected in [0, 1)"),
      (["--kl-clip", "nan"], "--kl-clip: expected > 0"),
      (["--step", "adaptive"], "--momentum applies only with --step fixed"),
    ])
  func refusedSettings(settings: [String], message: String) throws {
    let outcome = try Program.train(ranks: 2, Self.settings + settings)
    #expect(outcome.status != 0)
    #expect(
      outcome.errors.components(separatedBy: message).count == 2, "\(outcome.errors)")
  }
}
