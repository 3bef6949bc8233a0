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
    #expect(try distance(trained, from: exact) < tolerance)
    #expect(
      trained.tensors.allSatisfy { $0.dtype == (precision == "float64" ? .float64 : .float32) })
  }

  /// A checkpoint and a config.yaml without a preset are continued by their version's settings.
  @Test("runs of earlier versions go on as they began", arguments: ["mfac", "kfac"])
  func earlierVersion(name: String) throws {
    let folder = "\(Program.package)/Tests/EndToEndTests/Trajectories/before-presets"
    let directory = try TemporaryDirectory()
    for ranks in [nil, 3] {
      let run = directory.path("ranks-\(ranks ?? 0)")
      let outcome = try Program.train(
        ranks: ranks,
        [
          "--config", "\(folder)/\(name)/config.yaml", "--model", "\(folder)/model.yaml",
          "--run-directory", run, "--resume", "\(folder)/\(name)/step-00000008",
        ])
      try #require(outcome.status == 0, "\(outcome.errors)")
      #expect(try MetricsLine.read(run).compactMap(\.loss).count == 4)
      // The other version may have run with another OpenBLAS core type.
      let expected = try SafetensorsFile(path: "\(folder)/\(name)/model.safetensors")
      let trained = try SafetensorsFile(path: "\(run)/model.safetensors")
      #expect(try distance(trained, from: expected) < 1e-5)
    }
  }

  /// Returns the relative distance of weights, ‖a − b‖/‖b‖, of files with the same tensors.
  private func distance(_ a: SafetensorsFile, from b: SafetensorsFile) throws -> Double {
    try #require(a.tensors.map(\.name).sorted() == b.tensors.map(\.name).sorted())
    var (difference, size) = (0.0, 0.0)
    for tensor in b.tensors {
      for (a, b) in zip(
        try a.values(tensor.name, as: Double.self), try b.values(tensor.name, as: Double.self))
      {
        difference += (a - b) * (a - b)
        size += b * b
      }
    }
    return (difference / size).squareRoot()
  }
}
