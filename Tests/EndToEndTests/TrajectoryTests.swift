import Formats
import Foundation
import RunRecords
import Support
import Testing

/// Follows the published optimizer's own runs step by step.
@Suite(.serialized) struct TrajectoryTests {
  struct Trajectory: Decodable {
    struct Settings: Decodable {
      let bs: Int
      let steps: Int
      let lr: Double
      let momentum: Double
      let weightDecay: Double
      let ngrads: Int
      let damp: Double
    }
    let settings: Settings
    let lossFloat64: [Double]
  }

  /// Rounding to single precision grows along the run: the published single-precision optimizer
  /// itself is 5e-6 away. Sums in another order differ by 2e-15 in double precision.
  private static let tolerances = ["float32": 1e-5, "float64": 1e-13]

  @Test(
    "M-FAC follows the exact algorithm step by step",
    arguments: ["digits-mlp", "digits-mlp-nomomentum"], ["float32", "float64"])
  func exactSteps(name: String, precision: String) throws {
    for ranks in [nil, 3] { try follow(name, precision, ranks: ranks) }
  }

  private func follow(_ name: String, _ precision: String, ranks: Int?) throws {
    let tolerance = Self.tolerances[precision]!
    let folder = "\(Program.package)/Tests/EndToEndTests/Trajectories"
    let trajectory = try Program.record(Trajectory.self, in: "\(folder)/\(name).json")
    let settings = trajectory.settings
    let directory = try TemporaryDirectory()
    let run = directory.path("run")
    let outcome = try Program.train(
      ranks: ranks,
      [
        "--preset", "published", "--dataset", "digits", "--order", "sequential",
        "--model", "\(folder)/model.yaml",
        "--weights", "\(folder)/\(name)-initial.safetensors",
        "--batch-size", "\(settings.bs)", "--steps", "\(settings.steps)",
        "--schedule", "constant", "--learning-rate", "\(settings.lr)", "--momentum",
        "\(settings.momentum)",
        "--weight-decay", "\(settings.weightDecay)", "--window", "\(settings.ngrads)",
        "--damping", "\(settings.damp)", "--precision", precision, "--run-directory", run,
      ])
    try #require(outcome.status == 0, "\(outcome.errors)")

    let losses = try MetricsLine.read(run).compactMap(\.loss)
    try #require(losses.count == trajectory.lossFloat64.count)
    for (step, (loss, exact)) in zip(losses, trajectory.lossFloat64).enumerated() {
      #expect(abs(loss - exact) < tolerance, "\(ranks ?? 0) ranks, step \(step + 1)")
    }

    let trained = try SafetensorsFile(path: "\(run)/model.safetensors")
    let exact = try SafetensorsFile(path: "\(folder)/\(name)-final-float64.safetensors")
    #expect(trained.tensors.map(\.name).sorted() == exact.tensors.map(\.name).sorted())
    var (difference, size) = (0.0, 0.0)
    for tensor in exact.tensors {
      for (a, b) in zip(
        try trained.values(tensor.name, as: Double.self),
        try exact.values(tensor.name, as: Double.self))
      {
        difference += (a - b) * (a - b)
        size += b * b
      }
    }
    #expect((difference / size).squareRoot() < tolerance)
    #expect(
      trained.tensors.allSatisfy { $0.dtype == (precision == "float64" ? .float64 : .float32) })
  }
}
