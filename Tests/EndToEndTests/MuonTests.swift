import Formats
import Foundation
import RunRecords
import Support
import Testing

/// Follows PyTorch's double-precision steps in single precision.
@Suite(.serialized) struct MuonTests {
  struct Trajectory: Decodable {
    struct Settings: Decodable {
      let batchSize: Int
      let steps: Int
      let learningRate: Double
      let momentum: Double
      let adamwRate: Double
      let weightDecay: Double
    }
    let settings: Settings
    let lossNesterov: [Double]
    let lossPlain: [Double]
  }

  /// Covers a wide convolution, a wide and a tall matrix, a last layer and biases.
  @Test("Muon follows the reference step by step", arguments: [true, false], [nil, 3])
  func referenceSteps(nesterov: Bool, ranks: Int?) throws {
    let folder = "\(Program.package)/Tests/EndToEndTests/Trajectories"
    let trajectory = try Program.record(Trajectory.self, in: "\(folder)/muon.json")
    let settings = trajectory.settings
    let directory = try TemporaryDirectory()
    let run = directory.path("run")
    let outcome = try Program.train(
      ranks: ranks,
      [
        "--dataset", "digits", "--order", "sequential", "--model", "\(folder)/muon.yaml",
        "--weights", "\(folder)/muon-initial.safetensors", "--optimizer", "muon",
        "--batch-size", "\(settings.batchSize)", "--steps", "\(settings.steps)",
        "--schedule", "constant", "--learning-rate", "\(settings.learningRate)",
        "--muon-momentum", "\(settings.momentum)", "--muon-adamw-rate", "\(settings.adamwRate)",
        "--weight-decay", "\(settings.weightDecay)", "--run-directory", run,
        nesterov ? "--muon-nesterov" : "--no-muon-nesterov",
      ])
    try #require(outcome.status == 0, "\(outcome.errors)")
    let losses = try MetricsLine.read(run).compactMap(\.loss)
    let exact = nesterov ? trajectory.lossNesterov : trajectory.lossPlain
    try #require(losses.count == exact.count)
    for (step, (loss, exact)) in zip(losses, exact).enumerated() {
      // Five iterations magnify roundings of small singular values by up to 3.4445⁵ = 485.
      #expect(abs(loss / exact - 1) < 1e-5, "step \(step + 1)")
    }
  }
}
