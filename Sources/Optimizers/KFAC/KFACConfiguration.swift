import Curvature
import MPI
import Sharding

/// Holds the settings of K-FAC.
public struct KFACConfiguration: Codable, Equatable, Sendable {
  /// Statistics that are collected from the layers.
  public var statistics = KroneckerSettings(fisher: .monteCarlo(samples: 1))
  /// The initial λ.
  public var damping: Double
  public var dampingRule = DampingRule()
  /// Form in which λ is added to the factors; `exact` needs eigenvalues.
  public var dampingForm = KroneckerDamping.factored
  /// Method that turns a layer's gradient into its direction.
  public var solver = Solver.factors(.cholesky)
  /// β of the factors' moving averages.
  public var factorDecay = 0.95
  /// Steps between two batches that provide factors. Samples come from every step's batch.
  public var factorEvery = 10
  /// Steps between two inversions.
  public var inverseEvery = 10
  /// Bound on η²·Σ u·g, which is twice the change of the model's distribution that its own
  /// curvature predicts. The direction is scaled to satisfy it; nil: no scaling.
  public var changeBound: ChangeBound?
  /// True if learning rate and momentum minimize a quadratic model; `momentum` and the step's
  /// learning rate are then ignored.
  public var isAdaptive = false
  /// μ in [0, 1).
  public var momentum: Double
  /// Weight decay for all parameters whose group has no rate of its own.
  public var weightDecay: WeightDecay
  /// F: the share of the ranks that precondition a layer; at least one rank does.
  public var workerShare = 1.0
  /// True if every rank keeps all factors' averages; otherwise only their owners do.
  public var keepsAllFactors = false

  /// Creates settings with the program's defaults, except that directions are not scaled.
  public init(
    damping: Double, momentum: Double = 0, weightDecay: WeightDecay = .coupled(0)
  ) {
    self.damping = damping
    self.momentum = momentum
    self.weightDecay = weightDecay
  }

  /// Selects the method that turns a layer's gradient into its direction.
  public enum Solver: Codable, Equatable, Sendable {
    /// Inverses of the moving averages of the layer's factors.
    case factors(FactorSolver)
    /// Equations with the layer's curvature on the step's batch alone; normalization layers keep
    /// their factors.
    case conjugateGradients(IterativeSolver)
  }

  /// Holds the settings of conjugate gradients.
  public struct IterativeSolver: Codable, Equatable, Sendable {
    /// The matrix of the products.
    public var operation = CurvatureOperator.factored
    /// Stopping criteria.
    public var method = ConjugateGradients(tolerance: 1e-2, iterations: 20)
    /// True if iterations start at the last step's solution.
    public var startsWarm = true

    /// Creates the program's default settings.
    public init() {}
  }
}

extension KFAC {
  /// Returns the layers that a rank preconditions by factors.
  static func factored(
    _ layers: [FactoredLayer], _ configuration: KFACConfiguration, _ placement: KroneckerPlacement,
    rank: Int
  ) -> [FactoredLayer] {
    layers.indices.filter {
      placement.workers[$0].contains(rank) && configuration.solver(of: layers[$0]) != nil
    }.map { layers[$0] }
  }

  /// Returns the owners of factors and the workers of layers.
  static func placement(
    of layers: [FactoredLayer], _ configuration: KFACConfiguration, ranks: Int
  ) -> KroneckerPlacement {
    KroneckerPlacement(
      of: layers.map { layer in
        configuration.factors(of: layer).map { .init(count: $0.packedCount, cost: cost($0)) }
      }, over: ranks,
      // All ranks solve the equations with samples.
      workerShare: configuration.usesSamples ? 1 : configuration.workerShare)
  }

  /// Returns the cost of inverting a factor: n³ if it is dense, n if it is a diagonal.
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
        ? "learning rate and momentum from a quadratic model" : "learning rate \(learningRate)")
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

  /// The number of steps after which factors, inversions and comparisons of λ repeat.
  public var period: Int {
    leastCommonMultiple(
      leastCommonMultiple(stepsBetweenFactors, inverseEvery),
      dampingRule.levenbergMarquardt?.every ?? 1)
  }

  /// Steps between two batches that provide factors or samples.
  public var stepsBetweenFactors: Int { usesSamples ? 1 : factorEvery }

  public var formCount: Int {
    isAdaptive ? 2 : dampingRule.levenbergMarquardt == nil ? 0 : 1
  }

  /// Returns the inversion method of a layer's factors; nil if the layer has samples instead.
  func solver(of layer: FactoredLayer) -> FactorSolver? {
    if layer.isNormalization { return .eigen }
    guard case .factors(let solver) = solver else { return nil }
    return solver
  }

  /// Returns the shapes of A and B; empty if the layer has samples instead.
  func factors(of layer: FactoredLayer) -> [FactorShape] {
    solver(of: layer) == nil ? [] : [layer.shape.a, layer.shape.b]
  }

  /// True if layers have samples instead of factors.
  public var usesSamples: Bool { sampleOperator != nil }

  /// Returns the layers that have samples instead of factors.
  func sampledLayers(_ layers: [FactoredLayer]) -> [FactoredLayer] {
    layers.filter { solver(of: $0) == nil }
  }
}

/// Returns the least common multiple of two periods.
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
    return solver + (changeBound.map { ", \($0)" } ?? "")
      + (momentum > 0 && !isAdaptive ? ", momentum \(momentum)" : "")
  }
}

extension KFACConfiguration.Solver {
  /// The method in words; nil for the program's default.
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
