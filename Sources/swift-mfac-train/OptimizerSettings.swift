import ArgumentParser
import Curvature
import Launching
import LinearAlgebra
import Optimizers
import Training

struct OptimizerSettings: ParsableArguments {
  enum Kind: String, CaseIterable, ExpressibleByArgument { case mfac, kfac, sgd, adamw }
  enum Decay: String, CaseIterable, ExpressibleByArgument { case coupled, decoupled }

  @Option(help: "Optimizer.")
  var optimizer = Kind.mfac

  @Option(parsing: .unconditional, help: "Step size η. (default: 0.001; 0.1 with kfac)")
  var learningRate: Double?

  @Option(
    parsing: .unconditional, help: "μ: of the direction's moving average (mfac), heavy-ball (sgd).")
  var momentum: Float = 0

  @Option(parsing: .unconditional, help: "Rate of weight decay.")
  var weightDecay: Float = 0

  @Option(
    help: """
      coupled: added to the gradient; decoupled: applied to the weights (adamw always).
      """)
  var weightDecayMode = Decay.coupled

  @Option(
    parsing: .unconditional,
    help: "Largest norm of the gradient over all parameters: a longer one is scaled down to it.")
  var clipNorm: Double?

  @Flag(
    inversion: .prefixedNo,
    help: """
      Initial weights that are zero, in tensors of two dimensions or more, count as removed, as with \
      --masks.
      """)
  var sparse = false

  @Option(parsing: .unconditional, help: "m, gradients in the window (mfac).")
  var window = 256

  @Option(help: "Of the window's numbers: float32, or bfloat16 in half the memory and time (mfac).")
  var windowType = RowType.float32

  @Option(
    parsing: .unconditional,
    help: """
      The share of a gradient's coordinates that the window keeps, the largest ones; what it leaves \
      out is added to the next gradient (mfac).
      """)
  var windowDensity = 1.0

  @Option(
    parsing: .unconditional,
    help: """
      I: the gradient of every I-th step goes into the window; others are preconditioned with it \
      beside those (mfac).
      """)
  var insertEvery = 1

  @Option(
    parsing: .unconditional,
    help: """
      P: every P-th step takes its direction from the window; others go along their own gradient, as \
      far as the last of these (mfac).
      """)
  var preconditionEvery = 1

  enum Schedule: String, CaseIterable, ExpressibleByArgument { case constant, step, cosine, linear }

  @Option(help: "How the learning rate goes after the warm-up.")
  var schedule = Schedule.cosine

  @Option(parsing: .unconditional, help: "Steps of linear warm-up.")
  var warmUpSteps = 0

  @Option(parsing: .unconditional, help: "Steps between two drops of the step schedule.")
  var dropEvery = 1000

  @Option(parsing: .unconditional, help: "Factor of a drop.")
  var dropFactor = 0.1

  @Option(help: "Gradients that are not finite: skip them, or stop after ten in a row.")
  var onNonfinite = TrainingPlan.OnNonFinite.stop

  func validate() throws {
    if let learningRate {
      try require(
        learningRate >= 0 && Float(learningRate).isFinite, "--learning-rate",
        "≥ 0 and finite in single precision", learningRate)
    }
    try require(momentum >= 0 && momentum < 1, "--momentum", "in [0, 1)", momentum)
    try require(
      weightDecay >= 0 && weightDecay.isFinite, "--weight-decay", "≥ 0 and finite", weightDecay)
    try require("--window", in: 1...1_000_000, window)
    try require(
      windowDensity > 0 && windowDensity <= 1, "--window-density", "in (0, 1]", windowDensity)
    if let clipNorm {
      try require(clipNorm > 0 && clipNorm.isFinite, "--clip-norm", "> 0 and finite", clipNorm)
    }
    for (flag, steps) in [
      ("--insert-every", insertEvery), ("--precondition-every", preconditionEvery),
    ] {
      try require(flag, in: 1...1_000_000, steps)
    }
    try require(warmUpSteps >= 0, "--warm-up-steps", "≥ 0", warmUpSteps)
    try require(dropEvery > 0, "--drop-every", "> 0", dropEvery)
    try require(dropFactor > 0 && dropFactor <= 1, "--drop-factor", "in (0, 1]", dropFactor)
  }
}

extension OptimizerSettings {
  /// Settles what depends on the optimizer.
  mutating func resolve() {
    learningRate = learningRate ?? (optimizer == .kfac ? 0.1 : 1e-3)
  }

  func choice(
    damping: Double, _ rule: DampingRule, _ kronecker: KroneckerOptions
  ) -> OptimizerChoice {
    let decay: WeightDecay =
      weightDecayMode == .decoupled || optimizer == .adamw
      ? .decoupled(weightDecay) : .coupled(weightDecay)
    switch optimizer {
    case .mfac:
      var mfac = ShardedMFAC.Configuration(
        window: window, windowForm: WindowForm(type: windowType, density: windowDensity),
        damping: damping, momentum: momentum, weightDecay: decay)
      mfac.dampingRule = rule
      mfac.insertEvery = insertEvery
      mfac.preconditionEvery = preconditionEvery
      return .mfac(mfac)
    case .kfac:
      return .kfac(
        kronecker.configuration(
          damping: damping, rule, momentum: momentum, weightDecay: decay), kronecker.settings)
    case .sgd: return .sgd(momentum: momentum, weightDecay: decay)
    case .adamw: return .adamw(weightDecay: decay)
    }
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

extension RowType: ExpressibleByArgument {}
