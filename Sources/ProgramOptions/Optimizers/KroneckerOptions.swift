import ArgumentParser
import Curvature
import Networks
import Optimizers

package struct KroneckerOptions: OptimizerOptions {
  package enum Setting: String, CaseIterable, ExpressibleByArgument { case expand, reduce, auto }
  package enum FisherKind: String, CaseIterable, ExpressibleByArgument {
    case type2, mc, empirical
    case forwardOnly = "forward-only"
  }
  package enum Normalization: String, CaseIterable, ExpressibleByArgument { case diagonal, block }
  package enum Placement: String, CaseIterable, ExpressibleByArgument { case owners, all }

  @Option(
    help: """
      What becomes of the axis that shares a weight (positions, windows of a convolution): expand: \
      each position is an example; reduce: they are summed first; auto: reduce where they come \
      together before the loss, else expand.
      """)
  package var kfacSetting = Setting.auto

  @Option(
    help: """
      What the output gradients of the factors are of: the square root of the loss's Hessian \
      (type2, a backward pass for each output), targets that the model draws (mc), the data's \
      (empirical, no pass of its own), or nothing (forward-only).
      """)
  package var fisher = FisherKind.mc

  @Option(parsing: .unconditional, help: "Draws for each prediction (mc).")
  package var fisherSamples = 1

  @Option(parsing: .unconditional, help: "Of the factors' moving averages, in [0, 1).")
  package var factorDecay = 0.95

  @Option(
    parsing: .unconditional,
    help: """
      Steps from one batch whose factors are taken to the next. (default: 10; 1 with --solver cg, \
      which has samples of each step's batch)
      """)
  package var factorEvery: Int?

  @Option(parsing: .unconditional, help: "Steps from one inversion of the factors to the next.")
  package var inverseEvery = 10

  @Option(
    help: """
      exact: (B⊗A + λI)⁻¹, by eigenvalues; factored: √λ shared out to both factors by their \
      traces; same: λ on each factor. (default: factored; exact with --solver cg)
      """)
  package var dampingForm: KroneckerDamping?

  @OptionGroup package var solving: LayerSolverSettings

  @Option(
    parsing: .unconditional,
    help: """
      Largest η² Σ u·g of a step, over the layers with factors: a longer one is scaled down; inf: \
      none is. (default: 0.001; inf with --step adaptive)
      """)
  package var klClip: Double?

  package enum Step: String, CaseIterable, ExpressibleByArgument { case fixed, adaptive }

  @Option(
    help: """
      fixed: --learning-rate and --momentum; adaptive: both from a quadratic model of the loss on \
      the step's batch, by exact products with the Gauss–Newton matrix.
      """)
  package var step = Step.fixed

  @Option(help: "Of normalisation layers the diagonal of their block of γ and β, or all of it.")
  package var kfacNormalization = Normalization.diagonal

  @Option(
    parsing: .unconditional,
    help: """
      Share of the ranks that precondition a layer, in (0, 1]; one does at least: small for \
      memory, 1 for \
      few messages.
      """)
  package var kfacGradWorkers = 1.0

  @Option(help: "Who keeps the factors' averages: those who invert them, or all ranks.")
  package var kfacFactors = Placement.owners

  package init() {}

  package func validate() throws {
    try require("--fisher-samples", in: 1...10_000, fisherSamples)
    try require(
      factorDecay >= 0 && factorDecay < 1, "--factor-decay", "in [0, 1)", factorDecay)
    for (flag, steps) in [
      ("--factor-every", factorEvery ?? 1), ("--inverse-every", inverseEvery),
    ] {
      try require(flag, in: 1...1_000_000, steps)
    }
    if let klClip { try require(klClip > 0, "--kl-clip", "> 0", klClip) }
    try require(
      kfacGradWorkers > 0 && kfacGradWorkers <= 1, "--kfac-grad-workers", "in (0, 1]",
      kfacGradWorkers)
  }

  private static func dampingForm(with solver: LayerSolverSettings.Solver) -> KroneckerDamping {
    solver == .cg ? .exact : .factored
  }

  /// Keys of a file whose values are those that its solver has where nothing is asked, and another
  /// has not: beside that one they say nothing.
  package func keysDerived(notFor other: LayerSolverSettings) -> [String] {
    var keys: [String] = []
    let form = Self.dampingForm(with: solving.solver)
    if dampingForm == form, form != Self.dampingForm(with: other.solver) {
      keys.append("damping-form")
    }
    if factorEvery == solving.factorEvery, factorEvery != other.factorEvery {
      keys.append("factor-every")
    }
    return keys
  }

  /// Checks what the settings say together, and settles what depends on others.
  package mutating func resolve() throws {
    let isIterative = solving.solver == .cg
    let form = dampingForm ?? Self.dampingForm(with: solving.solver)
    dampingForm = form
    let every = factorEvery ?? solving.factorEvery
    factorEvery = every
    let clip = klClip ?? (step == .adaptive ? .infinity : 1e-3)
    klClip = clip
    try require(
      step == .fixed || clip == .infinity, "--kl-clip",
      "inf with --step adaptive, which chooses a step's length itself", clip)
    guard isIterative else {
      return try require(
        form != .exact || solving.solver == .eigen, "--damping-form exact",
        "--solver eigen or cg with it", solving.solver.rawValue)
    }
    try solving.check(factorEvery: every, workerShare: kfacGradWorkers)
    try require(
      form == .exact, "--damping-form", "exact with --solver cg, which forms no factors",
      form.rawValue)
    try require(
      fisher != .forwardOnly || solving.cgOperator == CurvatureOperator.factored, "--cg-operator",
      "factored with --fisher forward-only, which has no output gradients",
      solving.cgOperator.rawValue)
  }

  package var settings: KroneckerSettings {
    KroneckerSettings(
      axis: SharedAxis(rawValue: kfacSetting.rawValue), fisher: fisherOfNetwork,
      hasNormalizationBlocks: kfacNormalization == .block)
  }

  private var fisherOfNetwork: Fisher {
    switch fisher {
    case .type2: .type2
    case .mc: .monteCarlo(samples: fisherSamples)
    case .empirical: .empirical
    case .forwardOnly: .forwardOnly
    }
  }

  package static var learningRate: Double { 0.1 }
  package var damping: Double { step == .adaptive ? 0.1 : 1e-3 }

  package static var decayIsDecoupled: Bool { false }

  package func check(_ common: CommonOptimizerSettings) {}

  package func configuration(_ common: CommonOptimizerSettings) -> KFACConfiguration {
    var kfac = KFACConfiguration(
      damping: common.damping, momentum: common.momentum, weightDecay: common.weightDecay)
    kfac.statistics = self.settings
    kfac.dampingRule = common.dampingRule
    if let dampingForm { kfac.dampingForm = dampingForm }
    kfac.solver = solving.ofLayers
    kfac.factorDecay = factorDecay
    if let factorEvery { kfac.factorEvery = factorEvery }
    kfac.inverseEvery = inverseEvery
    kfac.klClip = klClip.flatMap { $0.isFinite ? $0 : nil }
    kfac.isAdaptive = step == .adaptive
    kfac.workerShare = kfacGradWorkers
    kfac.keepsAllFactors = kfacFactors == .all
    return kfac
  }
}

extension KroneckerOptions {
  package static func uses<Program: OptimizerSelection>(
    in: Program.Type
  ) -> [OptionUse<Program>] {
    [
      used(
        [
          "kfac-setting", "fisher", "factor-decay", "factor-every", "inverse-every", "damping-form",
          "solver", "kl-clip", "step", "kfac-normalization", "kfac-grad-workers",
        ]),
      OptionUse(
        ["fisher-samples"], beside: "--fisher mc of --optimizer kfac",
        got: { $0.kfacWith("fisher", $0.kronecker.fisher.rawValue) },
        where: { $0.usesKFAC && $0.kronecker.fisher == .mc }),
      OptionUse(
        ["cg-operator", "cg-tolerance", "cg-iterations", "cg-warm-start"],
        beside: "--solver cg of --optimizer kfac",
        got: { $0.kfacWith("solver", $0.kronecker.solving.solver.rawValue) },
        where: { $0.usesKFAC && $0.kronecker.solving.solver == .cg }),
      OptionUse(
        ["kfac-factors"], beside: "--solver cholesky or eigen of --optimizer kfac",
        got: { $0.kfacWith("solver", $0.kronecker.solving.solver.rawValue) },
        where: { $0.usesKFAC && $0.kronecker.solving.solver != .cg }),
    ]
  }
}

extension OptimizerSelection {
  /// Whether K-FAC chooses learning rate and momentum itself.
  package var isAdaptive: Bool { usesKFAC && kronecker.step == .adaptive }

  fileprivate var usesKFAC: Bool { optimizerName.rawValue == KroneckerOptions.optimizer }

  fileprivate func kfacWith(_ option: String, _ value: String) -> String {
    usesKFAC ? "--\(option) \(value)" : "--optimizer \(optimizerName.rawValue)"
  }
}

extension KroneckerDamping: ExpressibleByArgument {}
