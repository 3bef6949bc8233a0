import LinearAlgebra
import MPI
import Optimizers
import Sharding
import TrainedModels

/// What a step of a loss function has seen, the same on all ranks.
public struct MinimizerStep: Sendable {
  /// L at the parameters before the step.
  public let loss: Double
  /// The gradient's norm, the damping, and whether the step was taken.
  public let outcome: StepOutcome
}

/// Minimizes a loss function of one's own with an optimizer of this package, over all ranks.
///
/// The loss is a mean over M micro-batches, L(w) = (1/M) Σᵢ Lᵢ(w), whose terms and gradients the
/// caller computes, each on one rank:
///
/// micro-batch gradients [d] → reduce-scatter → slice of the mean gradient [d/p] → optimizer →
/// all-gather → parameters [d].
///
/// As long as Lᵢ and its gradient come out the same wherever they are computed, the parameters are
/// the same, bit for bit, at any number of ranks.
///
///     d   parameters          p   ranks
public final class LossMinimizer<Element: Scalar> {
  /// Lᵢ(w) and its gradient: of a micro-batch i in 0..<M at parameters w, shape [d]; the gradient,
  /// shape [d], holds zeros and is to be filled.
  public typealias LossAndGradient = (
    _ microBatch: Int, _ parameters: Span<Element>, _ gradient: inout MutableSpan<Element>
  ) throws -> Double

  /// M.
  public let microBatches: Int
  private let values: Buffer<Element>
  private let update: ParameterUpdate<Element>
  private let reduction: ReduceScatter<Element>
  private let lossSum: TreeSum
  private let world: Communicator

  /// Collective. BLAS runs on one thread from here on, for sums must not depend on a number of
  /// threads.
  ///
  /// - Parameters:
  ///   - start: the first parameters, the same on all ranks; shape [d].
  ///   - optimizer: which, with its settings.
  ///   - microBatches: M; ranks beyond so many have no gradients to compute.
  ///   - clipNorm: the largest norm that a gradient keeps, or nil.
  ///   - groups: parameters treated otherwise than the rest.
  ///   - world: all ranks.
  /// - Throws: on all ranks, where they differ in `start`, in M or in their arithmetic.
  public init(
    startingAt start: [Element], optimizer: any OptimizerConfiguration, microBatches: Int = 8,
    clipNorm: Double? = nil, groups: ParameterGroups = ParameterGroups(), on world: Communicator
  ) throws {
    precondition(microBatches > 0, "\(microBatches) micro-batches")
    precondition(
      !type(of: optimizer).needsNetwork,
      "\(type(of: optimizer).name) is made of a network's layers, which a loss does not show")
    BLAS.useOneThread()
    let d = start.count
    values = Buffer(count: d)
    _ = values.all.update(fromContentsOf: start)
    try world.requireSameArithmetic()
    try world.requireSame("the number of micro-batches", "\(microBatches)")
    try world.requireSame(parameters: values.all, state: Buffer<Element>(count: 0).all)
    let partition = CellPartition(Cells(parameterCount: d), over: world.size)
    let shares = Partition(of: microBatches, over: world.size)
    reduction = ReduceScatter(of: shares, to: partition.slices, on: world)
    lossSum = TreeSum(shares, rank: world.rank)
    update = ParameterUpdate(
      try optimizer.make(
        OptimizerContext(
          partition: partition, groups: groups, microBatches: shares, clipNorm: clipNorm),
        on: world),
      of: values, partition: partition, on: world)
    self.microBatches = microBatches
    self.world = world
  }

  /// A copy of w, shape [d]; the same on all ranks.
  public var parameters: [Element] { Array(values.all) }

  /// Takes a step. Collective.
  ///
  /// - Parameters:
  ///   - learningRate: the step's.
  ///   - lossAndGradient: is called for each micro-batch of this rank; where the optimizer compares
  ///     the change of the loss with its prediction, once more at the new parameters.
  /// - Returns: the loss and what the optimizer saw; a step whose mean gradient is not finite is
  ///   left out.
  /// - Throws: what `lossAndGradient` throws, on this rank alone: the others wait for it, and the
  ///   job has to end.
  public func step(learningRate: Double, _ lossAndGradient: LossAndGradient) throws -> MinimizerStep
  {
    let clock = PhaseClock(on: world)
    let loss = try clock.time(.gradient) {
      var losses: [Double] = []
      for microBatch in reduction.leaves {
        let gradient = try reduction.begin(microBatch: microBatch, on: world)
        losses.append(try compute(microBatch, into: gradient, lossAndGradient))
        try reduction.advance(to: 0, on: world)
      }
      return try mean(of: losses)
    }
    let gradient = try clock.time(.reduceScatter) { try reduction.finish(on: world) }
    let outcome = try update.take(
      gradient, learningRate: learningRate, model: nil, on: world, clock: clock)
    if outcome.predictedChange != nil {
      let unused = Buffer<Element>(count: values.count)
      let after = try mean(
        of: reduction.leaves.map { try compute($0, into: unused.all, lossAndGradient) })
      update.optimizer.changePredicting?.adapt(toChange: after - loss)
    }
    return MinimizerStep(loss: loss, outcome: outcome)
  }

  /// A micro-batch's loss, and its part of the mean gradient.
  private func compute(
    _ microBatch: Int, into gradient: UnsafeMutableBufferPointer<Element>,
    _ lossAndGradient: LossAndGradient
  ) throws -> Double {
    gradient.update(repeating: 0)
    var span = gradient.mutableSpan
    let loss = try lossAndGradient(microBatch, UnsafeBufferPointer(values.all).span, &span)
    let share = 1 / Element(microBatches)
    for i in gradient.indices { gradient[i] *= share }
    return loss
  }

  private func mean(of losses: [Double]) throws -> Double {
    try lossSum.total(of: losses, on: world) / Double(microBatches)
  }
}
