import LinearAlgebra
import MPI
import Sharding

/// Represents an optimizer with a damping λ that is part of its quadratic model of the loss.
protocol DampedOptimizer<Element>: ShardedOptimizer {
  /// λ before relative scaling.
  var damping: Double { get set }
  /// The number of steps that took their direction from the curvature.
  var directionsTaken: Int { get }
  /// True if the next step takes its direction from the curvature.
  var takesDirectionNext: Bool { get }
  /// This rank's slice of the gradient, and the sums over all slices.
  var gradient: GradientSlice<Element> { get }

  /// Returns the change δ of the parameters by the last step, in the optimizer's own memory; shape
  /// [d/p].
  func lastChange(
    from before: borrowing MutableSpan<Element>, to after: UnsafeBufferPointer<Element>
  ) -> UnsafeBufferPointer<Element>

  /// Returns `δᵀBδ` for that change. B, which includes λ, is the matrix that gave the step its
  /// direction. Collective.
  func quadraticForm(
    of change: UnsafeBufferPointer<Element>, model: QuadraticModel<Element>?,
    on world: Communicator,
    clock: PhaseClock
  ) throws -> Double
}

/// Wraps an optimizer with Levenberg–Marquardt damping. Every T-th step that takes its direction
/// from the curvature predicts the change of the loss. λ then follows the ratio of the actual
/// change to the predicted one.
///
/// The optimizer takes these steps on a copy of the parameters. The model is then evaluated before
/// the parameters change.
///
///   δ [d/p]   this rank's slice of the change, with momentum, weight decay and learning rate
final class LevenbergMarquardt<Element: Scalar>: ChangePredictingOptimizer {
  let base: any DampedOptimizer<Element>
  private let rule: DampingRule.LevenbergMarquardt
  private let copy: Buffer<Element>
  private var predictedChange = 0.0

  private init(_ base: any DampedOptimizer<Element>, _ rule: DampingRule.LevenbergMarquardt) {
    self.base = base
    self.rule = rule
    copy = Buffer(count: base.gradient.parameters.count)
  }

  /// Returns the wrapped optimizer, or `base` itself if its λ does not follow the loss.
  static func around(_ base: any DampedOptimizer<Element>, _ rule: DampingRule)
    -> any ShardedOptimizer<Element>
  {
    rule.levenbergMarquardt.map { LevenbergMarquardt(base, $0) } ?? base
  }

  @specialized(where Element == Float)
  @specialized(where Element == Double)
  func step(
    _ gradient: Span<Element>, updating parameters: inout MutableSpan<Element>,
    learningRate: Double,
    model: QuadraticModel<Element>?, on world: Communicator, clock: PhaseClock,
    updated: (Range<Int>) throws -> Void
  ) throws -> StepOutcome {
    guard base.takesDirectionNext, (base.directionsTaken + 1) % rule.every == 0 else {
      return try base.step(
        gradient, updating: &parameters, learningRate: learningRate, model: model, on: world,
        clock: clock, updated: updated)
    }
    for i in parameters.indices { copy.pointer[i] = parameters[i] }
    var stepped = copy.all.mutableSpan
    var outcome = try base.step(
      gradient, updating: &stepped, learningRate: learningRate, model: model, on: world,
      clock: clock
    ) { _ in }
    guard outcome.wasApplied else { return outcome }
    let change = base.lastChange(from: parameters, to: UnsafeBufferPointer(copy.all))
    predictedChange = try predict(change, gradient, model, on: world, clock: clock)
    outcome.predictedChange = predictedChange
    try clock.time(.update) {
      for i in parameters.indices { parameters[i] = copy.pointer[i] }
      if copy.count > 0 { try updated(0..<copy.count) }
    }
    return outcome
  }

  /// Returns `∇ᵀδ + ½ δᵀBδ`; ∇ is the loss's own gradient, without clipping and weight decay.
  private func predict(
    _ change: UnsafeBufferPointer<Element>, _ gradient: Span<Element>,
    _ model: QuadraticModel<Element>?,
    on world: Communicator, clock: PhaseClock
  ) throws -> Double {
    let slope = try clock.time(.sum) {
      try gradient.withUnsafeBufferPointer {
        try base.gradient.dot($0, change, cells: base.gradient.cells, on: world)
      }
    }
    return slope
      + 0.5 * (try base.quadraticForm(of: change, model: model, on: world, clock: clock))
  }

  func adapt(toChange actual: Double) {
    base.damping = rule.adapted(base.damping, actual: actual, predicted: predictedChange)
  }

  func updateZeros(
    _ groups: ParameterGroups, partition: CellPartition, on world: Communicator
  ) throws {
    try base.updateZeros(groups, partition: partition, on: world)
  }

  var state: OptimizerState { base.state }

  func resume(_ numbers: [String: Double], hasWindow: Bool) throws {
    try base.resume(numbers, hasWindow: hasWindow)
  }
}
