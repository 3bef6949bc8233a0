import LinearAlgebra
import MPI
import Sharding

/// Updates parameters by stochastic gradient descent with heavy-ball momentum: v ← μv + g; w ← w −
/// ηv.
///
/// It equals PyTorch's `SGD` without dampening.
public final class SGD<Element: Scalar>: ShardedOptimizer {
  private let momentum: Element
  private let weightDecay: WeightDecay
  private let measuresDirection: Bool
  private var gradient: GradientSlice<Element>
  private let velocity: Buffer<Element>

  /// Creates the optimizer's part on this rank.
  ///
  /// - Parameters:
  ///   - momentum: μ in [0, 1).
  ///   - clipNorm: gradients with a larger norm are scaled down to it; nil: no clipping.
  ///   - measuresDirection: whether step outcomes include the direction. This takes one more sum
  ///     over the ranks per step.
  public init(
    momentum: Double, weightDecay: WeightDecay, clipNorm: Double? = nil,
    groups: ParameterGroups = ParameterGroups(), measuresDirection: Bool = false,
    partition: CellPartition, rank: Int
  ) {
    self.momentum = Element(momentum)
    self.weightDecay = weightDecay
    self.measuresDirection = measuresDirection
    gradient = GradientSlice(
      groups, decay: weightDecay, clipNorm: clipNorm, partition: partition, rank: rank)
    velocity = Buffer(count: gradient.slice.count)
  }

  @specialized(where Element == Float)
  @specialized(where Element == Double)
  public func step(
    _ gradient: Span<Element>, updating parameters: inout MutableSpan<Element>,
    learningRate: Double,
    model: QuadraticModel<Element>?, on world: Communicator, clock: PhaseClock,
    updated: (Range<Int>) throws -> Void
  ) throws -> StepOutcome {
    var outcome = try self.gradient.measure(
      gradient, parameters: parameters, on: world, clock: clock)
    guard outcome.wasApplied else { return outcome }
    try clock.time(.update) {
      let slice = self.gradient.parameters
      let (g, v) = (self.gradient.slice, velocity.pointer)
      let steps: [ParameterSlice.GroupStep<Element>] = slice.steps(
        learningRate: learningRate, decay: weightDecay)
      for (index, cell) in slice.cells.enumerated() {
        for piece in slice.pieces(ofCell: index) {
          let (rate, remainder) = (Element(steps[piece.group].rate), steps[piece.group].remainder)
          for i in piece.range {
            v[i] = momentum * v[i] + g[i]
            parameters[i] = remainder * parameters[i] - rate * v[i]
          }
        }
        try updated(cell)
      }
    }
    if measuresDirection {
      outcome.direction = try self.gradient.measure(
        direction: UnsafeBufferPointer(velocity.all), on: world, clock: clock)
    }
    return outcome
  }

  public func updateZeros(
    _ groups: ParameterGroups, partition: CellPartition, on world: Communicator
  ) {
    gradient.updateZeros(groups, partition, rank: world.rank)
    gradient.parameters.clearZeros(of: velocity.all)
  }

  public var state: OptimizerState {
    var state = OptimizerState()
    state.momentum = gradient.cells.map { [velocity.array("velocity", $0)] }
    return state
  }

  public func resume(_ numbers: [String: Double], hasWindow: Bool) {}
}

/// Holds the settings of SGD.
public struct SGDConfiguration: Codable, Equatable, Sendable {
  /// μ in [0, 1).
  public var momentum: Double
  /// Weight decay for all parameters whose group has no rate of its own.
  public var weightDecay: WeightDecay

  /// Creates the settings.
  ///
  /// - Parameter momentum: μ in [0, 1).
  public init(momentum: Double, weightDecay: WeightDecay = .coupled(0)) {
    self.momentum = momentum
    self.weightDecay = weightDecay
  }
}

extension SGDConfiguration: OptimizerConfiguration {
  public static let name = "sgd"
  public static let needsNetwork = false
  public static let isDamped = false

  public init() { self.init(momentum: 0) }

  public var period: Int { 1 }
  public var fixedSettings: [String] { [] }

  public func summary(learningRate: Double) -> String {
    "SGD, momentum \(momentum), learning rate \(learningRate)"
  }

  public func load<Element>(_ context: OptimizerContext<Element>, measured: MeasuredSteps)
    -> OptimizerLoad
  {
    OptimizerLoad(traffic: [.sum: TreeSum.traffic(over: context.partition, width: 1)])
  }

  public func make<Element>(
    _ context: OptimizerContext<Element>, on world: Communicator
  ) -> any ShardedOptimizer<Element> {
    SGD<Element>(
      momentum: momentum, weightDecay: weightDecay, clipNorm: context.clipNorm,
      groups: context.groups, measuresDirection: context.measuresDirection,
      partition: context.partition, rank: world.rank)
  }
}
