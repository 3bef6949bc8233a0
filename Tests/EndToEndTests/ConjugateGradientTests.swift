import Foundation
import RunRecords
import Support
import Testing

/// K-FAC without factors, seen from outside.
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
    // Its batch-norms keep factors.
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

  @Test(arguments: kinds.indices)
  func theTrainedNetworkDoesNotDependOnTheRanks(index: Int) throws {
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
    // The last solutions, where the next ones start, are each rank's slice of a checkpoint.
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

  /// The factors of each step's batch inverted by their eigenvalues, and equations with them solved
  /// beyond single precision: the same steps, but for that.
  @Test(arguments: ["expand", "reduce"]) func stepsAreThoseOfTheEigenvalues(axis: String) throws {
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
    // Residuals of a millionth, of equations whose condition is some hundreds.
    for (a, b) in zip(losses[0], losses[1]) { #expect(abs(a - b) <= 1e-4 * b, "\(a), \(b)") }
  }

  /// One iteration is one: its direction is a multiple of the gradient.
  @Test func theLimitHolds() throws {
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
