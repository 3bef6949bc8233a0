import Curvature
import LinearAlgebra
import MPI
import Networks
import Optimizers
import TrainedModels

/// What K-FAC needs of a step's passes: the factors of its micro-batches, or samples of its layers.
final class FactorGathering<Element: Scalar> {
  private let optimizer: any LayerStatisticsConsumer<Element>
  private let statistics: KroneckerStatistics<Element>
  /// Of each layer with samples its first element and its samples of each own micro-batch.
  private var samples: [(first: Int, ofMicroBatches: [LayerSamples<Element>])] = []
  private let microBatches: Range<Int>
  /// Where those of the micro-batch that is being computed go; nil in steps without.
  private var packed: UnsafeMutablePointer<Element>?

  /// Nil where the optimizer asks for none.
  ///
  /// - Parameter microBatches: of this rank.
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

  /// Before the passes of a micro-batch.
  func begin(microBatch: Int, on world: Communicator, clock: PhaseClock) throws {
    guard optimizer.wantsFactors else { return }
    for (first, ofMicroBatches) in samples {
      statistics.samples[first] = ofMicroBatches[microBatch - microBatches.lowerBound]
    }
    packed = try clock.time(.factors) {
      try optimizer.beginFactors(microBatch: microBatch, on: world).baseAddress
    }
  }

  /// Runs the pass of the gradient, which an empirical Fisher matrix is gathered from.
  ///
  /// - Parameter scale: of the gradient.
  func pass<Result>(
    scale: Element, _ body: (LayerCollector<Element>?) throws -> Result
  ) rethrows -> Result {
    guard let packed, statistics.settings.fisher == .empirical else { return try body(nil) }
    return try statistics.gatherEmpirical(scale: Double(scale), into: packed, body)
  }

  /// After the gradient of the micro-batch, whose forward pass is used again.
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

  /// After the last micro-batch. Collective.
  func finish(on world: Communicator, clock: PhaseClock) throws {
    // A rank may have no micro-batch; all ranks know whether there are factors.
    guard optimizer.wantsFactors else { return }
    packed = nil
    try clock.time(.factors) { try optimizer.finishFactors(on: world) }
  }
}
