import ArgumentParser
import Optimizers
import ProgramOptions

struct MuonOptions: OptimizerOptions {
  @Option(parsing: .unconditional, help: "β: of the gradient's moving average, in [0, 1).")
  var muonMomentum = 0.95

  @Flag(
    inversion: .prefixedNo,
    help: "The update looks ahead along the moving average; or it is the average.")
  var muonNesterov = true

  @Option(
    parsing: .unconditional,
    help: "Newton–Schulz iterations that orthogonalise a matrix's update.")
  var muonIterations = 5

  @Option(
    parsing: .unconditional,
    help: """
      AdamW's learning rate, for embeddings, the last layer and vectors; it follows the schedule \
      of --learning-rate.
      """)
  var muonAdamwRate = 3e-4

  func validate() throws {
    try require(
      muonMomentum >= 0 && Float(muonMomentum) < 1, "--muon-momentum", "in [0, 1)", muonMomentum)
    try require("--muon-iterations", in: 0...100, muonIterations)
    try require(
      muonAdamwRate >= 0 && Float(muonAdamwRate).isFinite, "--muon-adamw-rate",
      "≥ 0 and finite in single precision", muonAdamwRate)
  }

  static var learningRate: Double { 0.02 }
  var damping: Double { 1e-4 }

  var uses: [OptionUse<Settings>] {
    [
      Self.used(["muon-momentum", "muon-nesterov", "muon-iterations", "muon-adamw-rate"]),
      OptionUse(
        ["weight-decay-mode"], beside: "another optimizer than muon, whose decay is decoupled",
        got: { _ in "--optimizer muon" },
        where: {
          !($0.ownOptions is MuonOptions) || $0.optimizer.weightDecayMode == .decoupled
        }),
    ]
  }

  func settle(_ settings: inout Settings) throws {
    try require(
      settings.optimizer.momentum == 0, "--momentum", "0 with muon, which has --muon-momentum",
      settings.optimizer.momentum)
    try require(
      settings.optimizer.learningRate! > 0, "--learning-rate",
      "> 0 with muon, whose --muon-adamw-rate follows its schedule",
      settings.optimizer.learningRate!)
    settings.optimizer.weightDecayMode = .decoupled
  }

  func configuration(in settings: Settings, steps: Int) -> MuonConfiguration {
    var muon = MuonConfiguration()
    muon.momentum = muonMomentum
    muon.isNesterov = muonNesterov
    muon.iterations = muonIterations
    muon.adamWRateFactor = muonAdamwRate / settings.optimizer.learningRate!
    muon.weightDecay = settings.optimizer.decay
    return muon
  }
}
