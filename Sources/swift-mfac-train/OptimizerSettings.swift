import ArgumentParser
import LinearAlgebra
import Optimizers
import ProgramOptions
import Training

struct OptimizerSettings: ParsableArguments {
  enum Decay: String, CaseIterable, ExpressibleByArgument { case coupled, decoupled }

  @Option(help: .init("Optimizer.", valueName: "name"))
  var optimizer = OptimizerName(MFACConfiguration.self)

  @Option(
    parsing: .unconditional,
    help: .init(
      "Step size η. (default: \(standardRates); 0.001 with --preset published)",
      valueName: "rate"))
  var learningRate: Double?

  @Option(
    parsing: .unconditional,
    help: .init(
      "Momentum μ: moving average of the direction (mfac, kfac), heavy ball (sgd).", valueName: "mu"
    ))
  var momentum = 0.0

  @Option(parsing: .unconditional, help: .init("Rate of weight decay.", valueName: "rate"))
  var weightDecay = 0.0

  @Option(
    help: .advanced(
      """
      Add weight decay to the gradient (coupled), or apply it to the weights (decoupled; always \
      with adamw and muon).
      """, valueName: "mode"))
  var weightDecayMode = Decay.coupled

  @Option(
    parsing: .unconditional,
    help: .init(
      """
      Scale longer gradients, over all parameters, down to this norm; inf disables. (default: 1 \
      with mfac; else, and with --preset published, inf)
      """, valueName: "norm"))
  var clipNorm: Double?

  @Flag(
    inversion: .prefixedNo,
    help: .advanced(
      """
      Treat zeros of --weights, in tensors with two or more dimensions, as removed, as with \
      --masks.
      """))
  var sparse = false

  @OptionGroup var mfac: MFACOptions

  enum Schedule: String, CaseIterable, ExpressibleByArgument { case constant, step, cosine, linear }

  @Option(help: .advanced("Learning-rate schedule after warm-up."))
  var schedule = Schedule.cosine

  @Option(
    parsing: .unconditional,
    help: .advanced("Number of linear warm-up steps.", valueName: "n"))
  var warmUpSteps = 0

  @Option(
    parsing: .unconditional,
    help: .advanced(
      "Multiply the rate by --drop-factor every N steps. (--schedule step)", valueName: "steps"))
  var dropEvery = 1000

  @Option(
    parsing: .unconditional,
    help: .advanced("Factor of a drop, in (0, 1]. (--schedule step)", valueName: "factor"))
  var dropFactor = 0.1

  @Option(
    help: .advanced(
      "Skip steps whose gradient is not finite, or stop after ten in a row.", valueName: "action"))
  var onNonfinite = TrainingPlan.OnNonFinite.stop

  func validate() throws {
    if let learningRate {
      try require(
        learningRate >= 0 && Float(learningRate).isFinite, "--learning-rate",
        "≥ 0 and finite in single precision", learningRate)
    }
    try require(momentum >= 0 && Float(momentum) < 1, "--momentum", "in [0, 1)", momentum)
    try require(
      weightDecay >= 0 && Float(weightDecay).isFinite, "--weight-decay", "≥ 0 and finite",
      weightDecay)
    if let clipNorm {
      try require(clipNorm > 0, "--clip-norm", "> 0", clipNorm)
    }
    try require(warmUpSteps >= 0, "--warm-up-steps", "≥ 0", warmUpSteps)
    try require(dropEvery > 0, "--drop-every", "> 0", dropEvery)
    try require(dropFactor > 0 && dropFactor <= 1, "--drop-factor", "in (0, 1]", dropFactor)
  }
}

extension OptimizerSettings {
  /// Default learning rates for the help: the first optimizer's, then those that differ.
  private static var standardRates: String {
    let rates = OptimizerOptionsRegistry.all.map {
      (name: $0.type.optimizer, rate: $0.type.learningRate)
    }
    return
      (["\(rates[0].rate)"]
      + rates.filter { $0.rate != rates[0].rate }.map { "\($0.rate) with \($0.name)" })
      .joined(separator: "; ")
  }

  /// Weight decay: added to the gradient (coupled), or applied to the weights (decoupled).
  var decay: WeightDecay {
    weightDecayMode == .decoupled ? .decoupled(weightDecay) : .coupled(weightDecay)
  }

  /// Returns the settings that every optimizer receives; the learning rate must be resolved.
  ///
  /// - Parameters:
  ///   - damping: resolved damping settings.
  ///   - precision: precision of the computation.
  ///   - steps: number of steps of the run, for the damping schedule; nil if not known yet.
  ///   - bound: bound on a step's predicted change; nil for none, or if not known yet.
  func common(
    _ damping: DampingSettings, _ precision: Precision, steps: Int? = nil,
    bound: ChangeBound? = nil
  ) -> CommonOptimizerSettings {
    CommonOptimizerSettings(
      learningRate: learningRate!, momentum: momentum, weightDecay: decay,
      damping: damping.damping!, dampingRule: steps.map(damping.rule) ?? DampingRule(),
      bound: bound, precision: precision)
  }

  func schedule(steps: Int) -> LearningRateSchedule {
    let shape: LearningRateSchedule.Shape =
      switch schedule {
      case .constant: .constant
      case .step: .step(every: dropEvery, factor: dropFactor)
      case .cosine: .cosine
      case .linear: .linear
      }
    return LearningRateSchedule(
      base: learningRate!, shape: shape, warmUp: warmUpSteps, totalSteps: steps)
  }
}
