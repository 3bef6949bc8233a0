import Curvature
import MPI
import Sharding

/// What is asked of K-FAC.
public struct KFACConfiguration: Codable, Equatable, Sendable {
  /// What is gathered of the layers.
  public var statistics = KroneckerSettings(fisher: .monteCarlo(samples: 1))
  /// λ, to begin with.
  public var damping: Double
  /// How λ goes on.
  public var dampingRule = DampingRule()
  /// What λ adds to the factors; `exact` needs eigenvalues.
  public var dampingForm = KroneckerDamping.factored
  /// What turns a layer's gradient into its direction.
  public var solver = Solver.factors(.cholesky)
  /// β of the factors' moving averages.
  public var factorDecay = 0.95
  /// Steps from one batch whose factors are taken to the next; samples are of each step's batch.
  public var factorEvery = 10
  /// Steps from one inversion to the next.
  public var inverseEvery = 10
  /// κ: the direction is scaled so that η²·Σ u·g, twice the change of the model's distribution
  /// that its own curvature predicts, is no more than that; nil: it is not scaled.
  public var klClip: Double?
  /// Whether learning rate and momentum are those of the least value of a quadratic model, and
  /// `momentum` and the step's learning rate are not asked.
  public var isAdaptive = false
  /// μ in [0, 1).
  public var momentum: Double
  /// Of the gradient, or apart from it.
  public var weightDecay: WeightDecay
  /// F: the share of the ranks that precondition a layer; one at least.
  public var workerShare = 1.0
  /// Whether every rank keeps all factors' averages, or their owners alone.
  public var keepsAllFactors = false

  /// The program's defaults for all else, but that no direction is scaled.
  public init(
    damping: Double, momentum: Double = 0, weightDecay: WeightDecay = .coupled(0)
  ) {
    self.damping = damping
    self.momentum = momentum
    self.weightDecay = weightDecay
  }

  /// What turns a layer's gradient into its direction.
  public enum Solver: Codable, Equatable, Sendable {
    /// Inverses of its factors' moving averages.
    case factors(FactorSolver)
    /// Equations with its curvature on the step's batch alone; normalisation layers keep their
    /// factors.
    case conjugateGradients(IterativeSolver)
  }

  /// Of conjugate gradients.
  public struct IterativeSolver: Codable, Equatable, Sendable {
    /// What a product is with.
    public var operation = CurvatureOperator.factored
    /// When they end.
    public var method = ConjugateGradients(tolerance: 1e-2, iterations: 20)
    /// Whether they begin at the last step's solution.
    public var startsWarm = true

    /// The program's defaults.
    public init() {}
  }
}

extension KFAC {
  /// Those that a rank preconditions by factors.
  static func factored(
    _ layers: [FactoredLayer], _ configuration: KFACConfiguration, _ placement: KroneckerPlacement,
    rank: Int
  ) -> [FactoredLayer] {
    layers.indices.filter {
      placement.workers[$0].contains(rank) && configuration.solver(of: layers[$0]) != nil
    }.map { layers[$0] }
  }

  /// Who inverts which factor, and who preconditions which layer.
  static func placement(
    of layers: [FactoredLayer], _ configuration: KFACConfiguration, ranks: Int
  ) -> KroneckerPlacement {
    KroneckerPlacement(
      of: layers.map { layer in
        configuration.factors(of: layer).map { .init(count: $0.packedCount, cost: cost($0)) }
      }, over: ranks,
      // Equations with samples are solved by all ranks.
      workerShare: configuration.usesSamples ? 1 : configuration.workerShare)
  }

  /// Of an inversion.
  static func cost(_ factor: FactorShape) -> Int {
    factor.form == .dense ? factor.order * factor.order * factor.order : factor.order
  }
}

extension KFACConfiguration: LayerStatisticsConfiguration, MemorySavingConfiguration {
  public static let name = "kfac"
  public static let needsNetwork = true
  public static let isDamped = true

  public init() { self.init(damping: 1e-3) }

  public var fixedSettings: [String] { ["solver", "kfac-normalization"] }

  public func summary(learningRate: Double) -> String {
    "K-FAC, \(statistics), \(self), "
      + (isAdaptive
        ? "learning rate and momentum of a quadratic model" : "learning rate \(learningRate)")
  }

  public func make<Element>(
    _ context: OptimizerContext<Element>, on world: Communicator
  ) throws -> any ShardedOptimizer<Element> {
    LevenbergMarquardt.around(
      try KFAC<Element>(
        self, layers: context.layers, microBatches: context.microBatches,
        clipNorm: context.clipNorm, groups: context.groups,
        measuresDirection: context.measuresDirection, partition: context.partition, on: world),
      dampingRule)
  }

  public func load<Element>(_ context: OptimizerContext<Element>, measured: MeasuredSteps)
    -> OptimizerLoad
  {
    KFAC<Element>.load(self, context, measured)
  }

  public func memoryRemedy(fits: (KFACConfiguration) throws -> Bool) rethrows -> Diagnostic? {
    guard !usesSamples else { return nil }
    var smaller = self
    (smaller.keepsAllFactors, smaller.workerShare) = (false, 1e-9)
    return try fits(smaller)
      ? "with \(setting: "kfac-factors", "owners") \(setting: "kfac-grad-workers", "1e-9") it fits"
      : nil
  }

  public var sampleOperator: CurvatureOperator? {
    if case .conjugateGradients(let solver) = solver { solver.operation } else { nil }
  }

  /// Steps after which factors, inversions and comparisons of λ begin again.
  public var period: Int {
    leastCommonMultiple(
      leastCommonMultiple(stepsBetweenFactors, inverseEvery),
      dampingRule.levenbergMarquardt?.every ?? 1)
  }

  /// From one batch whose factors, or samples, are taken to the next.
  public var stepsBetweenFactors: Int { usesSamples ? 1 : factorEvery }

  public var formCount: Int {
    isAdaptive ? 2 : dampingRule.levenbergMarquardt == nil ? 0 : 1
  }

  /// How a layer's factors are inverted; nil where it has samples instead.
  func solver(of layer: FactoredLayer) -> FactorSolver? {
    if layer.isNormalization { return .eigen }
    guard case .factors(let solver) = solver else { return nil }
    return solver
  }

  /// A and B; none where it has samples instead.
  func factors(of layer: FactoredLayer) -> [FactorShape] {
    solver(of: layer) == nil ? [] : [layer.shape.a, layer.shape.b]
  }

  /// Whether layers have samples instead of factors.
  public var usesSamples: Bool { sampleOperator != nil }

  /// Those that have samples instead of factors.
  func sampledLayers(_ layers: [FactoredLayer]) -> [FactoredLayer] {
    layers.filter { solver(of: $0) == nil }
  }
}

/// Of two periods, that of both together.
func leastCommonMultiple(_ a: Int, _ b: Int) -> Int {
  var (x, y) = (a, b)
  while y > 0 { (x, y) = (y, x % y) }
  return a / x * b
}

extension KFACConfiguration: CustomStringConvertible {
  public var description: String {
    let solver =
      switch solver {
      case .factors(let solver):
        "factors every \(factorEvery) and inverses every \(inverseEvery) steps by "
          + "\(solver.rawValue), "
          + "\(dampingForm.rawValue) damping \(damping)"
      case .conjugateGradients(let solver): "\(solver), damping \(damping)"
      }
    return solver + (klClip.map { ", KL clip \($0)" } ?? "")
      + (momentum > 0 && !isAdaptive ? ", momentum \(momentum)" : "")
  }
}

extension KFACConfiguration.Solver {
  /// For people; nil of the program's default.
  package var title: String? {
    switch self {
    case .factors(.cholesky): nil
    case .factors(let solver): solver.rawValue
    case .conjugateGradients(let solver): "\(solver)"
    }
  }
}

extension KFACConfiguration.IterativeSolver: CustomStringConvertible {
  public var description: String {
    "conjugate gradients on \(operation == .factored ? "factors" : "the Fisher matrix") of the "
      + "step's batch, to \(method.tolerance) or \(method.iterations) iterations, "
      + "\(startsWarm ? "warm" : "cold") starts"
  }
}
