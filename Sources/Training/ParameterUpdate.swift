import LinearAlgebra
import MPI
import Optimizers
import Sharding

/// Carries out the second half of a step over all ranks, for any loss: slice of the mean gradient
/// [d/p] → optimizer → all-gather → parameters [d].
final class ParameterUpdate<Element: Scalar> {
  let optimizer: any ShardedOptimizer<Element>
  private let parameters: Buffer<Element>
  private let gather: AllGather<Element>
  private let local: Range<Int>

  init(
    _ optimizer: any ShardedOptimizer<Element>, of parameters: Buffer<Element>,
    partition: CellPartition,
    on world: Communicator
  ) {
    self.optimizer = optimizer
    self.parameters = parameters
    gather = AllGather(partition.slices, on: world)
    local = partition.slice(of: world.rank)
  }

  /// Updates the parameters on all ranks. Collective.
  ///
  /// - Parameter gradient: this rank's slice of the mean gradient, shape [d/p].
  func take(
    _ gradient: UnsafeBufferPointer<Element>, learningRate: Double, model: QuadraticModel<Element>?,
    on world: Communicator, clock: PhaseClock
  ) throws -> StepOutcome {
    var slice = parameters[local].mutableSpan
    let outcome = try optimizer.step(
      gradient.span, updating: &slice, learningRate: learningRate, model: model, on: world,
      clock: clock
    ) { updated in
      let end = local.lowerBound + updated.upperBound
      guard gather.hasChunk(upTo: end) else { return }
      try clock.time(.allGather) { try gather.advance(to: end, of: parameters.all, on: world) }
    }
    if outcome.wasApplied {
      try clock.time(.allGather) { try gather.finish(parameters.all, on: world) }
    }
    return outcome
  }
}
