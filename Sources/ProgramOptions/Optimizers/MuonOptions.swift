import ArgumentParser
import Optimizers

package struct MuonOptions: OptimizerOptions {
  @Option(
    parsing: .unconditional,
    help: .advanced("β: decay of the gradient's moving average, in [0, 1).", valueName: "beta"))
  package var muonMomentum = 0.95

  @Flag(inversion: .prefixedNo, help: .advanced("Use Nesterov's look-ahead on the moving average."))
  package var muonNesterov = true

  @Option(
    parsing: .unconditional,
    help: .advanced(
      "Number of Newton–Schulz iterations that orthogonalize an update.", valueName: "count"))
  package var muonIterations = 5

  @Option(
    parsing: .unconditional,
    help: .advanced(
      """
      AdamW's learning rate for embeddings, the last layer and vectors; it follows the schedule of \
      --learning-rate.
      """, valueName: "rate"))
  package var muonAdamwRate = 3e-4

  package init() {}

  package func validate() throws {
    try require(
      muonMomentum >= 0 && Float(muonMomentum) < 1, "--muon-momentum", "in [0, 1)", muonMomentum)
    try require("--muon-iterations", in: 0...100, muonIterations)
    try require(
      muonAdamwRate >= 0 && Float(muonAdamwRate).isFinite, "--muon-adamw-rate",
      "≥ 0 and finite in single precision", muonAdamwRate)
  }

  package static var learningRate: Double { 0.02 }
  package var damping: Double { 1e-4 }

  package static var decayIsDecoupled: Bool { true }

  package static func uses<Program: OptimizerSelection>(
    in: Program.Type
  ) -> [OptionUse<Program>] {
    [used(["muon-momentum", "muon-nesterov", "muon-iterations", "muon-adamw-rate"])]
  }

  package func check(_ common: CommonOptimizerSettings, _ bound: ChangeBoundOptions) throws {
    try require(
      common.momentum == 0, "--momentum", "0 with muon, which has --muon-momentum",
      common.momentum)
    try require(
      common.learningRate > 0, "--learning-rate",
      "> 0 with muon, whose --muon-adamw-rate follows its schedule", common.learningRate)
  }

  package func configuration(_ common: CommonOptimizerSettings) -> MuonConfiguration {
    var muon = MuonConfiguration()
    muon.momentum = muonMomentum
    muon.isNesterov = muonNesterov
    muon.iterations = muonIterations
    muon.adamWRateFactor = muonAdamwRate / common.learningRate
    muon.weightDecay = common.weightDecay
    return muon
  }
}
