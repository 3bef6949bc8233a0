import Curvature
import LinearAlgebra
import MPI
import Sharding

/// Holds the settings of M-FAC, the same on all ranks.
public struct MFACConfiguration: Codable, Equatable, Sendable {
  /// Holds the settings of Adam's diagonal metric: s = √(v/(1 − β₂ᵗ)) + ε with v ← β₂v + (1 −
  /// β₂)g².
  public struct AdamMetric: Codable, Equatable, Sendable {
    /// β₂ in (0, 1). Rows of the window keep the metric of their insertion, so it should be at
    /// least 1 − 1/m.
    public var decay = 0.99
    /// ε > 0.
    public var epsilon = 1e-8

    /// Creates the program's default settings.
    public init() {}
  }

  /// The number of gradients in the window, m.
  public var window: Int
  /// Form in which the window stores its gradients.
  public var windowForm: WindowForm
  /// Metric of the parameters: the direction is u = (D + GᵀG/(mλ))⁻¹g with D = diag(s). Nil for the
  /// published direction u = (λI + GᵀG/m)⁻¹g, which is longer by 1/λ.
  public var metric: AdamMetric?
  /// Weights of the window's gradients in the average that takes the place of g.
  public var history: HistoryWeights
  /// The initial λ.
  public var damping: Double
  public var dampingRule: DampingRule
  /// Bound on η²‖Gu‖²/m, with the run's largest η; the direction is shortened to satisfy it. Nil:
  /// no bound.
  public var changeBound: ChangeBound?
  /// The largest η of the run, for the bound, which so falls with the schedule; nil takes each
  /// step's own η.
  public var peakRate: Double?
  /// μ in [0, 1).
  public var momentum: Double
  /// Weight decay for all parameters whose group has no rate of its own.
  public var weightDecay: WeightDecay
  /// I: every I-th step inserts its gradient into the window. A step in between is preconditioned
  /// as if the window also held its gradient, for that step only.
  public var insertEvery = 1
  /// P: every P-th step takes its direction from the window. Other steps follow their own gradient,
  /// with the length of the last such direction: u = ‖F⁻¹g′‖·g/‖g‖. They combine the length of one
  /// method with the direction of another (Agarwal, Anil, Hazan, Koren and Zhang, 2020). They pass
  /// over the window only to insert a gradient.
  public var preconditionEvery = 1
}

extension MFACConfiguration {
  /// The default for the sum over a run of the changes that its steps predict, η²‖Gu‖²/m: for
  /// losses in nats their bound is this number divided by the steps, for others the same times the
  /// square of the loss. It was chosen on five problems at lengths from 98 to 2340 steps.
  public static let budget = 0.125

  /// Creates the program's default settings: the metric of Adam, a history, relative damping and a
  /// bound.
  ///
  /// - Parameters:
  ///   - steps: number of steps of the run, for the bound.
  ///   - peakRate: the largest η of the run, for the bound.
  ///   - isInNats: whether the loss is a negative logarithm of a probability, for the bound.
  ///   - window: m > 0.
  ///   - momentum: μ in [0, 1).
  public init(
    steps: Int, peakRate: Double? = nil, isInNats: Bool = true, window: Int = 128,
    windowForm: WindowForm = WindowForm(type: .bfloat16), momentum: Double = 0,
    weightDecay: WeightDecay = .coupled(0)
  ) {
    self = .published(
      window: window, windowForm: windowForm, damping: 1, momentum: momentum,
      weightDecay: weightDecay)
    metric = AdamMetric()
    history = HistoryWeights(decay: 0.9, isNesterov: true)
    dampingRule = DampingRule(isRelative: true)
    changeBound = .share(of: Self.budget, steps: steps, isInNats: isInNats)
    self.peakRate = peakRate
  }

  /// Returns the settings of the published algorithm.
  ///
  /// - Parameters:
  ///   - window: m > 0.
  ///   - damping: the initial λ > 0.
  ///   - momentum: μ in [0, 1).
  public static func published(
    window: Int = 256, windowForm: WindowForm = WindowForm(), damping: Double = 1e-4,
    momentum: Double = 0, weightDecay: WeightDecay = .coupled(0)
  ) -> MFACConfiguration {
    MFACConfiguration(
      window: window, windowForm: windowForm, history: HistoryWeights(), damping: damping,
      dampingRule: DampingRule(), momentum: momentum, weightDecay: weightDecay)
  }
}

extension MFACConfiguration: CustomStringConvertible {
  /// Window, metric, history, damping and bound in words, without the learning rate.
  public var description: String {
    "m = \(window) gradients" + (windowForm == WindowForm() ? "" : " in \(windowForm)")
      + (metric == nil ? "" : ", metric of Adam")
      + (history.decay == 0
        ? "" : ", history \(history.decay)\(history.isNesterov ? " (Nesterov)" : "")")
      + ", damping \(damping)"
      + (metric != nil && dampingRule.isRelative ? " (relative)" : "")
      + (changeBound.map { ", \($0)" } ?? "")
  }
}

/// Reports that λ is too small for K + mλI to be positive definite in double precision. All ranks
/// have the same K and throw it together.
public struct DampingTooSmall: SharedError, DiagnosticError {
  /// λ.
  public let damping: Double
  /// The number of gradients in the window, m.
  public let window: Int
  /// The factorization that failed.
  public let cause: NotPositiveDefinite

  public var diagnostic: Diagnostic {
    """
    λ = \(damping) is too small for the gradients of the window (\(setting: "window", window)): \
    with shift mλ = \(cause.shift) the leading minor \(cause.minor) of the Gram matrix of order \
    \(cause.order) is not positive. Choose a larger \(setting: "damping")
    """
  }
}

extension MFACConfiguration: WindowedConfiguration, MemorySavingConfiguration {
  public static let name = "mfac"
  public static let needsNetwork = false
  public static let isDamped = true

  public init() { self.init(steps: 1000) }

  public var period: Int {
    leastCommonMultiple(
      insertEvery, preconditionEvery * (dampingRule.levenbergMarquardt?.every ?? 1))
  }

  public var fixedSettings: [String] { ["window", "window-type", "window-density", "metric"] }

  public func summary(learningRate: Double) -> String {
    "M-FAC, \(self), learning rate \(learningRate)"
  }

  public func bytesOfNewGram<Element>(_ context: OptimizerContext<Element>) -> Int {
    let levels = context.partition.cells.leaves.trailingZeroBitCount
    return 8 * (2 * levels + 2) * window * window
  }

  /// Returns the traffic of a row of the Gram matrix and the gradient's norm.
  public func load<Element>(_ context: OptimizerContext<Element>, measured: MeasuredSteps)
    -> OptimizerLoad
  {
    OptimizerLoad(traffic: [.sum: TreeSum.traffic(over: context.partition, width: window + 1)])
  }

  public func make<Element>(
    _ context: OptimizerContext<Element>, on world: Communicator
  ) -> any ShardedOptimizer<Element> {
    LevenbergMarquardt.around(
      ShardedMFAC(
        self, clipNorm: context.clipNorm, groups: context.groups,
        measuresDirection: context.measuresDirection, partition: context.partition,
        rank: world.rank),
      dampingRule)
  }

  public func memoryRemedy(
    fits: (MFACConfiguration) throws -> Bool
  ) rethrows -> Diagnostic? {
    func with(_ window: Int, _ form: WindowForm) -> Self {
      var smaller = self
      (smaller.window, smaller.windowForm) = (window, form)
      return smaller
    }
    /// Returns the largest window of a form that fits; 0 if none does.
    func largest(_ form: WindowForm) throws -> Int {
      var (fitting, limit) = (0, window + 1)
      while fitting + 1 < limit {
        let middle = (fitting + limit) / 2
        if try fits(with(middle, form)) { fitting = middle } else { limit = middle }
      }
      return fitting
    }
    let type: Diagnostic = "\(setting: "window-type", "bfloat16")"
    let bytes: Diagnostic = "\(setting: "window-type", "int8")"
    let forms = [
      (WindowForm(type: .bfloat16, density: windowForm.density), type),
      (windowForm.density == 1 ? WindowForm(type: .int8) : windowForm, bytes),
      (
        WindowForm(type: .bfloat16, density: min(windowForm.density, 0.1)),
        type + " \(setting: "window-density", 0.1)"
      ),
    ].filter { $0.0 != windowForm }
    let fitting = try largest(windowForm)
    if let (_, settings) = try forms.first(where: { try fits(with(window, $0.0)) }) {
      return "with \(settings) it fits"
        + (fitting > 0 ? "; otherwise \(setting: "window", fitting) is the largest" : "")
    }
    guard fitting > 0 else { return nil }
    let others = try forms.map { (try largest($0.0), $0.1) }.filter { $0.0 > fitting }
    return "\(setting: "window", fitting) is the largest that fits"
      + (others.last.map { ", or \(setting: "window", $0.0) \($0.1)" } ?? "")
  }
}
