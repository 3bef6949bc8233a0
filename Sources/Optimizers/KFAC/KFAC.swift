import Curvature
import LinearAlgebra
import MPI
import Sharding

/// Steps along `(B ⊗ A + λI)⁻¹ ∇` of each layer (Kronecker-factored approximate curvature). A is
/// the second moment of the layer's inputs, B that of the gradients of its outputs; both are moving
/// averages.
///
///   φ [f]      the packed factors of all layers; those of one owner are contiguous
///   u [d/p]    this rank's slice of the direction
///   v [d/p]    momentum: v ← μv + (1 − μ)u
///
/// Micro-batches' factors are summed in the tree over the micro-batches. The sums go to the
/// factors' owners, who invert the averages and send the inverses to the layer's workers.
///
/// In each step, a layer's workers receive the slices of its gradient. They divide the rows of the
/// direction among themselves, compute them, and send each rank its slice. Every worker computes a
/// row by the same calls, so the bits do not depend on the number of ranks.
///
/// With conjugate gradients, layers have samples of the step's batch instead of factors:
/// `SampledLayers`.
///
/// Parameters that belong to no layer take their gradient as direction.
///
/// Martens and Grosse, "Optimizing neural networks with Kronecker-factored approximate curvature",
/// 2015; the placement is that of KAISA (Pauloski and others, 2021).
public final class KFAC<Element: Scalar>: ShardedOptimizer {
  public let configuration: KFACConfiguration
  /// The layers with curvature, in the order of their parameters.
  public let layers: [FactoredLayer]
  let placement: KroneckerPlacement
  let rank: Int
  private(set) var gradient: GradientSlice<Element>
  let slices: [Range<Int>]
  /// Sums factors over micro-batches, and leaves them with the factors' owners.
  let factorSums: ReduceScatter<Element>
  /// Gathers all sums on every rank, if every rank keeps all factors.
  let factorGather: AllGather<Element>?
  let allSums: Buffer<Element>
  /// Sums for the newest factors over the batch, until a step adds them to the averages.
  var pendingSums: UnsafeBufferPointer<Element>?
  /// Moving averages by layer and factor; nil if this rank does not keep the factor.
  var averages: [[FactorAverage<Element>?]]
  /// Inverses by layer; nil if this rank does not precondition the layer by factors.
  var inverses: [KroneckerInverse<Element>?]
  /// The layers that have samples instead of factors.
  let sampled: SampledLayers<Element>?
  let inverseExchange: RangeExchange<Element>
  private let gradientExchange: RangeExchange<Element>
  private let directionExchange: RangeExchange<Element>
  /// Gradients, then directions, of the layers that this rank works on; shape [d].
  private let whole: Buffer<Element>
  /// Ranges by layer whose directions this rank computes, relative to the layer's first parameter.
  private let computedRanges: [[Range<Int>]]
  let direction: Buffer<Element>
  /// Parameter changes passed to the model of the loss, shape [d] each.
  let changes: [Buffer<Element>]
  /// v, or for adaptive steps the last change δ₀; shape [d/p], or empty.
  let velocity: Buffer<Element>
  private let measuresDirection: Bool
  var bound: BoundedChange
  var stepsTaken = 0
  /// The averages' total weight, 1 − βᵗ.
  var averageWeight = 0.0
  var damping: Double
  /// λ at the last inversion; nil before the first one.
  var inverseDamping: Double?
  /// Traces of each layer's averages of A and B at the last inversion, shape [layers, 2].
  var traces: [Double]

  /// Creates the optimizer's part on this rank. Collective.
  ///
  /// - Parameters:
  ///   - layers: in the order of their parameters. Parameters without curvature belong to no layer.
  ///   - microBatches: assigns micro-batches to ranks.
  ///   - clipNorm: gradients with a larger norm are scaled down to it; nil: no clipping.
  ///   - measuresDirection: whether step outcomes include the direction. This takes one more sum
  ///     over the ranks per step.
  /// - Throws: `KroneckerError` if the solver does not support the form of the damping.
  public init(
    _ configuration: KFACConfiguration, layers: [FactoredLayer], microBatches: Partition,
    clipNorm: Double? = nil, groups: ParameterGroups = ParameterGroups(),
    measuresDirection: Bool = false, partition: CellPartition, on world: Communicator
  ) throws {
    self.configuration = configuration
    self.layers = layers
    self.measuresDirection = measuresDirection
    bound = BoundedChange(configuration.changeBound)
    rank = world.rank
    slices = partition.slices
    gradient = GradientSlice(
      groups.without(curvatureOutside: layers.map(\.parameters)), decay: configuration.weightDecay,
      clipNorm: clipNorm, partition: partition,
      rank: rank)
    let placement = Self.placement(of: layers, configuration, ranks: world.size)
    self.placement = placement
    factorSums = ReduceScatter(of: microBatches, to: placement.slices, on: world)
    factorGather =
      configuration.keepsAllFactors ? AllGather<Element>(placement.slices, on: world) : nil
    allSums = Buffer(
      count: configuration.keepsAllFactors ? placement.slices.last!.upperBound : 0)
    averages = layers.indices.map { layer in
      configuration.factors(of: layers[layer]).enumerated().map { factor, shape in
        configuration.keepsAllFactors || placement.owners[layer][factor] == world.rank
          ? FactorAverage(shape) : nil
      }
    }
    let workspace = KroneckerWorkspace<Element>(
      for: Self.factored(layers, configuration, placement, rank: world.rank).map(\.shape))
    inverses = try layers.indices.map { layer in
      guard placement.workers[layer].contains(world.rank),
        let solver = configuration.solver(of: layers[layer])
      else { return nil }
      return try KroneckerInverse(
        layers[layer].shape, solver: solver,
        form: layers[layer].isNormalization ? .exact : configuration.dampingForm,
        workspace: workspace)
    }
    if case .conjugateGradients(let settings) = configuration.solver {
      sampled = SampledLayers(
        settings, configuration.sampledLayers(layers), microBatches: microBatches,
        slices: slices, on: world)
    } else {
      sampled = nil
    }
    inverseExchange = RangeExchange(
      Self.inverseMoves(layers, configuration, placement), on: world)
    gradientExchange = RangeExchange(
      Self.gradientMoves(layers, placement, slices), on: world)
    directionExchange = RangeExchange(
      Self.directionMoves(layers, placement, slices), on: world)
    whole = Buffer(count: layers.isEmpty ? 0 : partition.cells.parameterCount)
    computedRanges = Self.computedRanges(layers, placement, slices, by: world.rank)
    direction = Buffer(count: gradient.parameters.count)
    changes = (0..<configuration.formCount).map { _ in
      Buffer(count: partition.cells.parameterCount)
    }
    velocity = Buffer(
      count: configuration.momentum > 0 || configuration.isAdaptive
        ? gradient.parameters.count : 0)
    damping = configuration.damping
    traces = [Double](repeating: 0, count: 2 * layers.count)
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
    guard outcome.wasApplied, try takeFactors(on: world, clock: clock) else {
      pendingSums = nil
      return StepOutcome(gradientNorm: .infinity)
    }
    let damping = configuration.dampingRule.damping(from: self.damping, at: stepsTaken)
    if inverseDamping == nil || stepsTaken % configuration.inverseEvery == 0 {
      try invert(damping: damping, on: world, clock: clock)
    }
    stepsTaken += 1
    bound.follow(model?.loss)
    outcome.equations = try precondition(damping: damping, on: world, clock: clock)
    if measuresDirection {
      outcome.direction = try self.gradient.measure(
        direction: UnsafeBufferPointer(direction.all), on: world, clock: clock)
    }
    let scale = try clipScale(learningRate: learningRate, on: world, clock: clock)
    if scale < 1 { for i in direction.all.indices { direction.pointer[i] *= scale } }
    try makeChange(
      parameters, learningRate: learningRate, damping: damping, model: model, on: world,
      clock: clock)
    try clock.time(.update) {
      for cell in self.gradient.cells {
        for i in cell { parameters[i] += direction.pointer[i] }
        try updated(cell)
      }
    }
    outcome.damping = damping
    return outcome
  }

  /// Computes this rank's slice of the direction, layer by layer on the layers' workers.
  /// Collective.
  ///
  /// - Returns: how equations were solved, if there were any.
  private func precondition(
    damping: Double, on world: Communicator, clock: PhaseClock
  ) throws -> ConjugateGradients.Outcome? {
    let local = slices[rank].lowerBound
    let slice = gradient.mutableSlice
    func part(_ range: Range<Int>, of slice: UnsafeMutableBufferPointer<Element>)
      -> UnsafeMutableBufferPointer<Element>
    {
      UnsafeMutableBufferPointer(
        rebasing: slice[range.lowerBound - local..<range.upperBound - local])
    }
    _ = direction.all.update(fromContentsOf: slice)
    try clock.time(.exchange) {
      try gradientExchange.exchange(
        from: { UnsafeBufferPointer(part($0, of: slice)) }, into: { self.whole[$0] }, on: world)
    }
    let equations = try sampled?.solve(
      whole.pointer, damping: damping, on: world, clock: clock)
    clock.time(.direction) {
      for (index, layer) in layers.enumerated() {
        guard let inverse = inverses[index] else { continue }
        // An inverse by Cholesky factors keeps the damping it was computed with.
        inverse.setDamping(
          inverse.a.solver == .eigen ? damping : inverseDamping!, traceOfA: traces[2 * index],
          traceOfB: traces[2 * index + 1])
        let values = whole.pointer + layer.parameters.lowerBound
        inverse.apply(values, into: values, only: computedRanges[index])
      }
    }
    try clock.time(.exchange) {
      try directionExchange.exchange(
        from: { UnsafeBufferPointer(self.whole[$0]) },
        into: { part($0, of: self.direction.all) }, on: world)
    }
    gradient.parameters.clearZeros(of: direction.all)
    return equations
  }

  /// Returns ν = min(1, √(κ/(η² Σ u·g))), the sum over all layers.
  ///
  /// The Kullback–Leibler divergence of the model's distribution from the one after a step −ηu is
  /// about ½ η² uᵀFu ≈ ½ η² u·g. Ba, Grosse and Martens, 2017, bound their trust region by it.
  private func clipScale(
    learningRate: Double, on world: Communicator, clock: PhaseClock
  ) throws -> Element {
    guard configuration.changeBound != nil else { return 1 }
    let product = try clock.time(.sum) {
      try gradient.dotWithCurvature(UnsafeBufferPointer(direction.all), on: world)
    }
    return Element(bound.factor(learningRate * learningRate * product))
  }

  public func updateZeros(
    _ groups: ParameterGroups, partition: CellPartition, on world: Communicator
  ) {
    gradient.updateZeros(
      groups.without(curvatureOutside: layers.map(\.parameters)), partition, rank: world.rank)
    if velocity.count > 0 { gradient.parameters.clearZeros(of: velocity.all) }
  }
}
