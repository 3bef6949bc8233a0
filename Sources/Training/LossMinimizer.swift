import LinearAlgebra
import MPI
import Optimizers
import Sharding
import TrainedModels

/// Reports the outcome of a step, the same on all ranks.
public struct MinimizerStep: Sendable {
  /// L at the parameters before the step.
  public let loss: Double
  /// The gradient's norm, the damping, and whether the step was taken.
  public let outcome: StepOutcome
}

/// Minimizes a user's loss function with an optimizer of this package, over all ranks.
///
/// The loss is a mean over M micro-batches, L(w) = (1/M) Σᵢ Lᵢ(w). The caller computes each term
/// and its gradient on one rank:
///
/// micro-batch gradients [d] → reduce-scatter → slice of the mean gradient [d/p] → optimizer →
/// all-gather → parameters [d].
///
/// The parameters are bit for bit the same at any number of ranks if Lᵢ and its gradient are the
/// same on any rank.
///
///     d   parameters          p   ranks
public final class LossMinimizer<Element: Scalar> {
  /// Returns Lᵢ(w) of a micro-batch i in 0..<M at parameters w, shape [d]. Fills in the gradient,
  /// shape [d], which holds zeros when the function is called.
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

  /// Creates the optimizer. Collective. BLAS runs on one thread from here on, because sums must not
  /// depend on the number of threads.
  ///
  /// - Parameters:
  ///   - start: the initial parameters, the same on all ranks; shape [d].
  ///   - optimizer: the optimizer's settings.
  ///   - microBatches: M; ranks beyond the first M have no gradients to compute.
  ///   - clipNorm: the largest norm of the gradient; a larger gradient is scaled down to it. Nil
  ///     for no clipping.
  ///   - groups: parameters with other settings than the rest.
  ///   - world: all ranks.
  /// - Throws: on all ranks, if they differ in `start`, in M or in their arithmetic.
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
  ///   - learningRate: the learning rate of this step.
  ///   - lossAndGradient: called for each micro-batch of this rank. If the optimizer compares the
  ///     change of the loss with its prediction, it is called once more for each, at the new
  ///     parameters.
  /// - Returns: the loss and the optimizer's outcome. A step whose mean gradient is not finite is
  ///   skipped.
  /// - Throws: any error of `lossAndGradient`, on this rank alone. The other ranks wait for this
  ///   one, and the job has to end.
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
      gradient, learningRate: learningRate, model: QuadraticModel(loss: loss), on: world,
      clock: clock)
    if outcome.predictedChange != nil {
      let unused = Buffer<Element>(count: values.count)
      let after = try mean(
        of: reduction.leaves.map { try compute($0, into: unused.all, lossAndGradient) })
      update.optimizer.changePredicting?.adapt(toChange: after - loss)
    }
    return MinimizerStep(loss: loss, outcome: outcome)
  }

  /// Returns a micro-batch's loss, and writes its part of the mean gradient.
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
