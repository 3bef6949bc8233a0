import LinearAlgebra
import MPI
import Sharding

/// Updates parameters by Adam: m ← β₁m + (1 − β₁)g; v ← β₂v + (1 − β₂)g²; w ← w − η·m̂/(√v̂ + ε),
/// where m̂ = m/(1 − β₁ᵗ) and v̂ = v/(1 − β₂ᵗ).
///
/// With decoupled weight decay it is AdamW. Kingma and Ba, 2015; Loshchilov and Hutter, 2019.
public final class AdamW<Element: Scalar>: ShardedOptimizer {
  private let beta1: Element = 0.9
  private let beta2: Element = 0.999
  private let epsilon: Element = 1e-8
  private let weightDecay: WeightDecay
  private var gradient: GradientSlice<Element>
  private let first: Buffer<Element>
  private let second: Buffer<Element>
  /// The direction u, allocated if it is measured.
  private let direction: Buffer<Element>?
  /// β₁ᵗ and β₂ᵗ.
  private var powers: (Double, Double) = (1, 1)

  /// Creates the optimizer's part on this rank.
  ///
  /// - Parameters:
  ///   - clipNorm: gradients with a larger norm are scaled down to it; nil: no clipping.
  ///   - measuresDirection: whether step outcomes include the direction. This takes one more sum
  ///     over the ranks per step.
  public init(
    weightDecay: WeightDecay, clipNorm: Double? = nil, groups: ParameterGroups = ParameterGroups(),
    measuresDirection: Bool = false, partition: CellPartition, rank: Int
  ) {
    self.weightDecay = weightDecay
    gradient = GradientSlice(
      groups, decay: weightDecay, clipNorm: clipNorm, partition: partition, rank: rank)
    first = Buffer(count: gradient.slice.count)
    second = Buffer(count: first.count)
    direction = measuresDirection ? Buffer(count: first.count) : nil
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
      powers = (powers.0 * Double(beta1), powers.1 * Double(beta2))
      let correction = Element(1 / (1 - powers.1).squareRoot())
      let slice = self.gradient.parameters
      let steps: [ParameterSlice.GroupStep<Element>] = slice.steps(
        learningRate: learningRate, decay: weightDecay)
      let (g, m, v) = (self.gradient.slice, first.pointer, second.pointer)
      for (index, cell) in slice.cells.enumerated() {
        for piece in slice.pieces(ofCell: index) {
          let step = Element(steps[piece.group].rate / (1 - powers.0))
          let remainder = steps[piece.group].remainder
          let start = piece.range.lowerBound
          parameters.withUnsafeMutableBufferPointer {
            Element.adam(
              count: piece.range.count, betas: (beta1, beta2), correction: correction,
              epsilon: epsilon, step: step, remainder: remainder, g.baseAddress! + start, m + start,
              v + start, updating: $0.baseAddress! + start)
          }
          guard let u = direction?.pointer else { continue }
          let scale = Element(1 / (1 - powers.0))
          for i in piece.range {
            u[i] = scale * m[i] / (v[i].squareRoot() * correction + epsilon)
          }
        }
        try updated(cell)
      }
    }
    if let direction {
      outcome.direction = try self.gradient.measure(
        direction: UnsafeBufferPointer(direction.all), on: world, clock: clock)
    }
    return outcome
  }

  public func updateZeros(
    _ groups: ParameterGroups, partition: CellPartition, on world: Communicator
  ) {
    gradient.updateZeros(groups, partition, rank: world.rank)
    for moment in [first, second] { gradient.parameters.clearZeros(of: moment.all) }
  }

  public var state: OptimizerState {
    var state = OptimizerState(numbers: ["beta1_power": powers.0, "beta2_power": powers.1])
    state.momentum = gradient.cells.map { [first.array("first", $0), second.array("second", $0)] }
    return state
  }

  public func resume(_ numbers: [String: Double], hasWindow: Bool) throws {
    powers = (try numbers.stored("beta1_power"), try numbers.stored("beta2_power"))
  }
}

/// Holds the settings of AdamW.
public struct AdamWConfiguration: Codable, Equatable, Sendable {
  /// Weight decay for all parameters whose group has no rate of its own.
  public var weightDecay: WeightDecay

  /// Creates the settings.
  ///
  /// - Parameter weightDecay: decoupled (AdamW), or coupled (Adam).
  public init(weightDecay: WeightDecay) { self.weightDecay = weightDecay }
}

extension AdamWConfiguration: OptimizerConfiguration {
  public static let name = "adamw"
  public static let needsNetwork = false
  public static let isDamped = false

  public init() { self.init(weightDecay: .decoupled(0)) }

  public var period: Int { 1 }
  public var fixedSettings: [String] { [] }

  public func summary(learningRate: Double) -> String { "AdamW, learning rate \(learningRate)" }

  public func load<Element>(_ context: OptimizerContext<Element>, measured: MeasuredSteps)
    -> OptimizerLoad
  {
    OptimizerLoad(traffic: [.sum: TreeSum.traffic(over: context.partition, width: 1)])
  }

  public func make<Element>(
    _ context: OptimizerContext<Element>, on world: Communicator
  ) -> any ShardedOptimizer<Element> {
    AdamW<Element>(
      weightDecay: weightDecay, clipNorm: context.clipNorm, groups: context.groups,
      measuresDirection: context.measuresDirection, partition: context.partition,
      rank: world.rank)
  }
}
