import Curvature
import LinearAlgebra
import MPI
import Networks
import Optimizers

/// What K-FAC needs of a step's passes: the factors of its micro-batches.
final class FactorGathering {
  private let optimizer: KFAC
  private let statistics: KroneckerStatistics<Float>
  /// Where those of the micro-batch that is being computed go; nil in steps without.
  private var packed: UnsafeMutablePointer<Float>?

  /// Nil where the optimizer asks for none.
  init?(
    _ optimizer: any ShardedOptimizer, _ plan: TrainingPlan, _ network: Network<Float>
  ) throws {
    guard let optimizer = optimizer as? KFAC, case .kfac(_, let settings) = plan.optimizer else {
      return nil
    }
    self.optimizer = optimizer
    statistics = KroneckerStatistics(
      network, loss: plan.loss, settings: settings, layers: try plan.curvatureLayers())
    statistics.place(optimizer.factorRanges)
  }

  /// Before the passes of a micro-batch.
  func begin(microBatch: Int, on world: Communicator, clock: PhaseClock) throws {
    guard optimizer.wantsFactors else { return }
    packed = try clock.time(.factors) {
      try optimizer.beginFactors(microBatch: microBatch, on: world).baseAddress
    }
  }

  /// Runs the pass of the gradient, which an empirical Fisher matrix is gathered from.
  ///
  /// - Parameter scale: of the gradient.
  func pass<Result>(scale: Float, _ body: () throws -> Result) rethrows -> Result {
    guard let packed, statistics.settings.fisher == .empirical else { return try body() }
    return try statistics.gatherEmpirical(scale: Double(scale), into: packed, body)
  }

  /// After the gradient of the micro-batch, whose forward pass is used again.
  func end(
    _ examples: ExampleBuffer, parameters: UnsafeBufferPointer<Float>,
    state: UnsafeBufferPointer<Float>, _ pass: TrainingPass<Float>, on world: Communicator,
    clock: PhaseClock
  ) throws {
    guard let packed else { return }
    try clock.time(.factors) {
      if statistics.settings.fisher != .empirical {
        statistics.gather(
          inputs: examples.inputs, parameters: parameters, state: state, training: pass,
          isForwardDone: true, seed: pass.seed, step: pass.step, firstExample: pass.firstExample,
          into: packed)
      }
      try optimizer.endFactors(on: world)
    }
  }

  /// After the last micro-batch. Collective.
  func finish(on world: Communicator, clock: PhaseClock) throws {
    // A rank may have no micro-batch; all ranks know whether there are factors.
    guard optimizer.wantsFactors else { return }
    packed = nil
    try clock.time(.factors) { try optimizer.finishFactors(on: world) }
  }
}
