import Foundation
import RunRecords
import Support
import Testing

/// Tests K-FAC by conjugate gradients, without factors, through the program.
@Suite(.serialized) struct ConjugateGradientTests {
  private let settings = [
    "--dataset", "digits", "--batch-size", "48", "--optimizer", "kfac", "--solver", "cg",
    "--damping", "0.03",
  ]
  private let fixed = ["--learning-rate", "0.1", "--schedule", "constant"]
  private let clip = ["--kl-clip", "0.01"]

  static let kinds: [(model: String, more: [String])] = [
    ("mlp", ["--cg-operator", "factored", "--momentum", "0.5"]),
    ("mlp", ["--cg-operator", "fisher", "--fisher", "empirical", "--no-cg-warm-start"]),
    ("cnn", ["--cg-operator", "factored", "--kfac-setting", "expand", "--fisher-samples", "2"]),
    ("cnn", ["--cg-operator", "factored", "--kfac-setting", "reduce"]),
    ("cnn", ["--cg-operator", "fisher"]),
    // The batch norms still use factors.
    (
      "norms",
      [
        "--cg-operator", "fisher", "--kfac-normalization", "block",
        "--step", "adaptive", "--kl-clip", "inf", "--damping-schedule", "levenberg-marquardt",
      ]
    ),
  ]

  private func model(_ name: String, _ directory: TemporaryDirectory) throws -> String {
    guard name == "norms" else { return name }
    return try directory.write(
      """
      input: [1, 8, 8]
      layers:
        - conv2d: {in: 1, out: 3, kernel: 3, padding: 1}
        - batch-norm
        - relu
        - global-average-pool
        - linear: {in: 3, out: 10}
      """, to: "norms.yaml")
  }

  @Test("the trained network does not depend on the number of ranks", arguments: kinds.indices)
  func rankInvariance(index: Int) throws {
    let (model, more) = Self.kinds[index]
    let directory = try TemporaryDirectory()
    let settings =
      settings + ["--model", try self.model(model, directory)] + more
      + (more.contains("adaptive") ? [] : fixed + clip)
      + ["--save-every-steps", "6"]
    func train(_ name: String, ranks: Int?, steps: Int, _ more: [String] = []) throws -> String {
      let run = directory.path(name)
      let outcome = try Program.train(
        ranks: ranks, settings + ["--steps", "\(steps)", "--run-directory", run] + more)
      try #require(outcome.status == 0, "\(name): \(outcome.errors)")
      return run
    }
    let first = try train("ranks-0", ranks: nil, steps: 20)
    let expected = try trainedNetwork(of: first)
    for ranks in rankCounts(forSettings: index).compactMap({ $0 }) {
      let run = try train("ranks-\(ranks)", ranks: ranks, steps: 20)
      #expect(try trainedNetwork(of: run) == expected, "\(ranks) ranks")
    }
    // Each rank's slice of a checkpoint holds the last solutions, from which the next ones start.
    for (ranks, other) in [(3, 2), (nil, 5)] where index < 2 || (index % 2 == 0) == (ranks == nil) {
      let name = "resumed-\(other)"
      _ = try train(name, ranks: ranks, steps: 12)
      let run = try train(name, ranks: other, steps: 20, ["--resume", "auto"])
      #expect(try trainedNetwork(of: run) == expected, "\(ranks ?? 0) ranks, then \(other)")
    }
    let lines = try MetricsLine.read(first).filter { $0.loss != nil }
    #expect(lines.allSatisfy { $0.cgIterations! > 0 && $0.cgIterations! <= 20 })
    #expect(lines.allSatisfy { $0.cgResidual! <= 0.01 || $0.cgIterations == 20 })
    #expect(lines.last!.loss! < lines.first!.loss!)
  }

  /// One run inverts the factors of each step's batch by their eigenvalues; the other solves their
  /// equations beyond single precision. Except for that, the steps are the same.
  @Test("conjugate gradients take the same steps as eigenvalues", arguments: ["expand", "reduce"])
  func eigenvalueSteps(axis: String) throws {
    let directory = try TemporaryDirectory()
    let solvers = [
      ["--cg-tolerance", "1e-6", "--cg-iterations", "200"],
      [
        "--solver", "eigen", "--damping-form", "exact", "--factor-decay", "0", "--factor-every",
        "1",
        "--inverse-every", "1",
      ],
    ]
    let losses = try solvers.enumerated().map { index, solver in
      let run = directory.path("\(index)")
      let outcome = try Program.train(
        settings + fixed + clip + ["--model", "cnn", "--kfac-setting", axis, "--steps", "8"]
          + ["--run-directory", run] + solver)
      try #require(outcome.status == 0, "\(outcome.errors)")
      return try MetricsLine.read(run).compactMap(\.loss)
    }
    #expect(losses[0].count == 8 && losses[0][7] < 0.9 * losses[0][0])
    // Residuals of 1e-6, for equations with a condition of a few hundred.
    for (a, b) in zip(losses[0], losses[1]) { #expect(abs(a - b) <= 1e-4 * b, "\(a), \(b)") }
  }

  /// After one iteration the direction is a multiple of the gradient.
  @Test("the limit of iterations is kept") func iterationLimit() throws {
    let directory = try TemporaryDirectory()
    let run = directory.path("run")
    let outcome = try Program.train(
      settings + fixed + clip + [
        "--model", "mlp", "--steps", "5", "--run-directory", run, "--cg-iterations", "1",
      ])
    #expect(outcome.status == 0, "\(outcome.errors)")
    #expect(outcome.output.contains("to 0.01 or 1 iterations, warm starts"))
    #expect(try MetricsLine.read(run).compactMap(\.cgIterations) == [1, 1, 1, 1, 1])
  }
}
