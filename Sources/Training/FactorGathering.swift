import Curvature
import LinearAlgebra
import MPI
import Networks
import Optimizers
import TrainedModels

/// Gathers what K-FAC needs from a step's passes: the factors of its micro-batches, or samples of
/// its layers.
final class FactorGathering<Element: Scalar> {
  private let optimizer: any LayerStatisticsConsumer<Element>
  private let statistics: KroneckerStatistics<Element>
  /// Layers with samples: the layer's first parameter, and its samples of each micro-batch of this
  /// rank.
  private var samples: [(first: Int, ofMicroBatches: [LayerSamples<Element>])] = []
  private let microBatches: Range<Int>
  /// Destination of the factors of the current micro-batch; nil in steps without factors.
  private var packed: UnsafeMutablePointer<Element>?

  /// Creates the gathering; nil if the optimizer needs no statistics of the layers.
  ///
  /// - Parameter microBatches: the micro-batches of this rank.
  init?(
    _ optimizer: any ShardedOptimizer<Element>, _ plan: TrainingPlan, _ network: Network<Element>,
    microBatches: Range<Int>
  ) throws {
    guard let optimizer = optimizer.layerStatistics,
      let settings = plan.optimizer.layerStatistics?.statistics
    else { return nil }
    self.optimizer = optimizer
    self.microBatches = microBatches
    statistics = KroneckerStatistics(
      network, loss: plan.loss, settings: settings, layers: try plan.curvatureLayers(),
      keepsSamples: optimizer.sampleOperator != nil)
    statistics.place(optimizer.factorRanges)
    guard let operation = optimizer.sampleOperator else { return }
    let workspace = SampleWorkspace<Element>()
    for layer in statistics.layers where !layer.isNormalization {
      let ofMicroBatches = microBatches.map { _ in
        LayerSamples<Element>(
          layer.shape, for: operation, columns: statistics.columns,
          exampleInputs: layer.exampleInputs, maximumExamples: network.maximumBatch,
          workspace: workspace)
      }
      samples.append((layer.first, ofMicroBatches))
    }
    optimizer.take(samples: samples.map(\.ofMicroBatches))
  }

  /// Prepares for the passes of a micro-batch.
  func begin(microBatch: Int, on world: Communicator, clock: PhaseClock) throws {
    guard optimizer.wantsFactors else { return }
    for (first, ofMicroBatches) in samples {
      statistics.samples[first] = ofMicroBatches[microBatch - microBatches.lowerBound]
    }
    packed = try clock.time(.factors) {
      try optimizer.beginFactors(microBatch: microBatch, on: world).baseAddress
    }
  }

  /// Runs the gradient's pass, from which the factors of an empirical Fisher matrix are gathered.
  ///
  /// - Parameter scale: the scale of the gradient.
  func pass<Result>(
    scale: Element, _ body: (LayerCollector<Element>?) throws -> Result
  ) rethrows -> Result {
    guard let packed, statistics.settings.fisher == .empirical else { return try body(nil) }
    return try statistics.gatherEmpirical(scale: Double(scale), into: packed, body)
  }

  /// Completes the factors of a micro-batch after its gradient. Fisher matrices other than the
  /// empirical one reuse the forward pass.
  func end(
    _ examples: ExampleBuffer<Element>, parameters: UnsafeBufferPointer<Element>,
    state: UnsafeBufferPointer<Element>, _ pass: TrainingPass<Element>, on world: Communicator,
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

  /// Completes the factors of the batch after the last micro-batch. Collective.
  func finish(on world: Communicator, clock: PhaseClock) throws {
    // A rank without micro-batches takes part too, so `packed` does not decide.
    guard optimizer.wantsFactors else { return }
    packed = nil
    try clock.time(.factors) { try optimizer.finishFactors(on: world) }
  }
}
