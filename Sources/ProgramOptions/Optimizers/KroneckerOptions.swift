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
    help: .advanced(
      """
      Weight-sharing axis (positions, windows of a convolution): expand makes each position an \
      example, reduce sums them first, auto reduces if the network pools them before the loss.
      """, valueName: "setting"))
  package var kfacSetting = Setting.auto

  @Option(
    help: .advanced(
      """
      Output gradients of the factors: of sampled targets (mc), of the loss's Hessian root (type2; \
      one backward pass per output), of the data's targets (empirical; no extra pass), or none \
      (forward-only).
      """))
  package var fisher = FisherKind.mc

  @Option(
    parsing: .unconditional,
    help: .advanced("Targets to sample for each prediction. (--fisher mc)", valueName: "count"))
  package var fisherSamples = 1

  @Option(
    parsing: .unconditional,
    help: .advanced("Decay of the factors' moving averages, in [0, 1).", valueName: "decay"))
  package var factorDecay = 0.95

  @Option(
    parsing: .unconditional,
    help: .advanced(
      "Compute Kronecker factors every N steps. (default: 10; 1 with --solver cg)",
      valueName: "steps"))
  package var factorEvery: Int?

  @Option(
    parsing: .unconditional,
    help: .advanced("Invert the factors every N steps.", valueName: "steps"))
  package var inverseEvery = 10

  @Option(
    help: .advanced(
      """
      Damping: exact inverts B⊗A + λI by eigenvalues; factored splits √λ between the factors by \
      their traces; same adds λ to each factor. (default: factored; exact with --solver cg)
      """, valueName: "form"))
  package var dampingForm: KroneckerDamping?

  @OptionGroup package var solving: LayerSolverSettings

  package enum Step: String, CaseIterable, ExpressibleByArgument { case fixed, adaptive }

  @Option(
    help: .advanced(
      """
      Step size: fixed uses --learning-rate and --momentum; adaptive minimizes a quadratic model \
      of the loss with exact Gauss–Newton products.
      """))
  package var step = Step.fixed

  @Option(
    help: .advanced(
      """
      Curvature of normalization layers: the diagonal of their block of γ and β, or the whole \
      block.
      """, valueName: "form"))
  package var kfacNormalization = Normalization.diagonal

  @Option(
    parsing: .unconditional,
    help: .advanced(
      """
      Fraction of the ranks, in (0, 1], that precondition a layer: small saves memory, 1 saves \
      messages.
      """, valueName: "fraction"))
  package var kfacGradWorkers = 1.0

  @Option(
    help: .advanced(
      "Ranks that keep the factors' averages: those that invert them (owners), or all.",
      valueName: "ranks"))
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
    try require(
      kfacGradWorkers > 0 && kfacGradWorkers <= 1, "--kfac-grad-workers", "in (0, 1]",
      kfacGradWorkers)
  }

  private static func dampingForm(with solver: LayerSolverSettings.Solver) -> KroneckerDamping {
    solver == .cg ? .exact : .factored
  }

  /// Keys whose defaults depend on `solver`.
  package static let keysOfSolver = ["damping-form", "factor-every"]

  /// Checks that the settings are consistent, and fills in defaults that depend on others.
  ///
  /// - Throws: `ValidationError`.
  package mutating func resolve() throws {
    let isIterative = solving.solver == .cg
    let form = dampingForm ?? Self.dampingForm(with: solving.solver)
    dampingForm = form
    let every = factorEvery ?? solving.factorEvery
    factorEvery = every
    guard isIterative else {
      return try require(
        form != .exact || solving.solver == .eigen, "--damping-form exact",
        "--solver eigen or cg", solving.solver.rawValue)
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

  package var bound: ChangeBoundOptions.Standard? { step == .adaptive ? nil : .clip(1e-3) }

  package func check(_ common: CommonOptimizerSettings, _ bound: ChangeBoundOptions) throws {
    guard let given = bound.given else { return }
    try require(
      step != .adaptive, given.flag, "none with --step adaptive, which chooses the step length",
      given.value)
  }

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
    kfac.changeBound = common.bound
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
          "solver", "step", "kfac-normalization", "kfac-grad-workers",
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
  /// True if K-FAC chooses the learning rate and the momentum (`--step adaptive`).
  package var isAdaptive: Bool { usesKFAC && kronecker.step == .adaptive }

  fileprivate var usesKFAC: Bool { optimizerName.rawValue == KroneckerOptions.optimizer }

  fileprivate func kfacWith(_ option: String, _ value: String) -> String {
    usesKFAC ? "--\(option) \(value)" : "--optimizer \(optimizerName.rawValue)"
  }
}

extension KroneckerDamping: ExpressibleByArgument {}
