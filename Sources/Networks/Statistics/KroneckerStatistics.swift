import Curvature
import LinearAlgebra

/// Gathers the sums of all layers' factors from passes over micro-batches.
///
///   packed [packedCount]   A and B of each layer in turn, as packed triangles, not scaled
///
/// It can keep samples in `samples` instead of sums, for all layers but normalisations.
///
/// The packed sums of micro-batches are added in the fixed tree. `FactorAverage.add` then scales
/// them by `scales(of:examples:)` for the *global* batch.
package final class KroneckerStatistics<Element: Scalar> {
  package let settings: KroneckerSettings
  package private(set) var layers: [FactoredLayer]
  package private(set) var packedCount: Int

  private let network: Network<Element>
  private let loss: Loss
  private let vectors: FisherVectors<Element>
  private let sums: [Int: KroneckerSums<Element>]
  private let blocks: [Int: FactorSums<Element>]
  private var layerOfFirst: [Int: FactoredLayer]
  /// Destinations of the next micro-batch's samples, keyed by the layers' first elements.
  package var samples: [Int: LayerSamples<Element>] = [:]

  /// Allocates the sums.
  ///
  /// - Parameters:
  ///   - layers: some of the network's layers; nil for all.
  ///   - keepsSamples: true to keep samples instead of sums, for all layers but normalisations.
  package init(
    _ network: Network<Element>, loss: Loss, settings: KroneckerSettings,
    layers: [FactoredLayer]? = nil, keepsSamples: Bool = false
  ) {
    let description = network.description
    self.network = network
    self.loss = loss
    self.settings = settings
    let layers = layers ?? settings.layers(of: description)
    self.layers = layers
    packedCount = layers.map { max($0.a.upperBound, $0.b.upperBound) }.max() ?? 0
    let kronecker = keepsSamples ? [] : layers.filter { !$0.isNormalization }
    let workspace = FactorWorkspace<Element>(
      for: kronecker.map(\.shape), examples: network.maximumBatch)
    vectors = FisherVectors(
      settings.fisher, of: loss, predictions: network.maximumBatch * network.positions,
      outputs: network.outputCount)
    sums = Dictionary(
      uniqueKeysWithValues: kronecker.map {
        ($0.first, KroneckerSums($0.shape, workspace: workspace))
      })
    blocks = Dictionary(
      uniqueKeysWithValues: layers.filter(\.isNormalization).map {
        ($0.first, FactorSums($0.shape.a))
      })
    layerOfFirst = Dictionary(uniqueKeysWithValues: layers.map { ($0.first, $0) })
    network.prepareStatistics()
  }

  /// Columns of a micro-batch's samples.
  package var columns: Int { vectors.columns }

  /// Moves the layers' sums in `packed`: two ranges, of A and B, for each layer with sums.
  package func place(_ ranges: [[Range<Int>]]) {
    for (i, both) in ranges.enumerated() where !both.isEmpty {
      (layers[i].a, layers[i].b) = (both[0], both[1])
    }
    layerOfFirst = Dictionary(uniqueKeysWithValues: layers.map { ($0.first, $0) })
    packedCount = ranges.joined().map(\.upperBound).max() ?? 0
  }

  /// Returns the factors that turn a layer's sums over the global batch into A and B.
  ///
  /// - Parameter examples: examples in the global batch.
  package func scales(
    of layer: FactoredLayer, examples: Int, reduction: LossReduction = .mean
  ) -> (a: Double, b: Double) {
    layer.scales(loss, reduction, of: network.description, examples: examples)
  }

  /// Gathers the sums of a micro-batch.
  ///
  /// - Parameters:
  ///   - targets: only an empirical Fisher matrix needs them.
  ///   - training: its statistics are overwritten; nil to compute as for predictions.
  ///   - isForwardDone: true if the network's last call had these arguments.
  ///   - seed, step, firstExample: determine the draws, as in `TrainingPass`.
  ///   - packed: [packedCount], overwritten.
  package func gather(
    inputs: UnsafeBufferPointer<Element>, targets: Targets<Element>? = nil,
    parameters: UnsafeBufferPointer<Element>, state: UnsafeBufferPointer<Element>,
    training: TrainingPass<Element>? = nil, isForwardDone: Bool = false, seed: UInt64, step: Int,
    firstExample: Int, into packed: UnsafeMutablePointer<Element>
  ) {
    network.propagateColumns(
      inputs: inputs, parameters: parameters, state: state, training: training,
      columns: vectors.columns, isForwardDone: isForwardDone,
      collector: collector(into: packed, scale: 1)
    ) { column, outputs, vector in
      vectors.fill(
        column, outputs, into: vector, targets: targets, seed: seed, step: step,
        firstPrediction: firstExample * network.positions)
    }
    finish(into: packed)
  }

  /// Gathers the sums of an empirical Fisher matrix from a pass that computes the gradient anyway.
  ///
  /// - Parameters:
  ///   - scale: the scale that `body` passes to `lossAndGradient`.
  ///   - body: calls `lossAndGradient` once, with the collector.
  package func gatherEmpirical<Result>(
    scale: Double, into packed: UnsafeMutablePointer<Element>,
    _ body: (LayerCollector<Element>) throws -> Result
  ) rethrows -> Result {
    precondition(settings.fisher == .empirical, "\(settings.fisher) from the gradient's pass")
    defer { finish(into: packed) }
    return try body(
      collector(
        into: packed, scale: 1 / (scale * loss.gradientFactor(outputs: network.outputCount))))
  }

  private func collector(
    into packed: UnsafeMutablePointer<Element>, scale: Double
  ) -> LayerCollector<Element> {
    func collect(_ seen: LayerStatistics<Element>) {
      if let sample = samples[seen.first] {
        if seen.column == 0 { sample.setInputs(seen.inputs, examples: seen.examples) }
        if let gradients = seen.outputGradients.baseAddress {
          sample.setOutputGradients(gradients, column: seen.column, scale: scale)
        }
        return
      }
      guard let sum = sums[seen.first], let layer = layerOfFirst[seen.first] else { return }
      if seen.column == 0 {
        sum.sumInputs(seen.inputs, examples: seen.examples, into: packed + layer.a.lowerBound)
      }
      if let gradients = seen.outputGradients.baseAddress {
        sum.addOutputGradients(gradients, examples: seen.examples, scale: scale)
      }
    }
    guard !blocks.isEmpty else { return LayerCollector(weights: collect) }
    return LayerCollector(
      weights: collect,
      blocks: { [blocks] seen in
        blocks[seen.first]?.add(
          seen.gradients.baseAddress!, count: seen.examples, factor: scale * scale)
      })
  }

  private func finish(into packed: UnsafeMutablePointer<Element>) {
    for layer in layers {
      sums[layer.first]?.finishOutputs(into: packed + layer.b.lowerBound)
      blocks[layer.first]?.finish(into: packed + layer.a.lowerBound)
    }
  }
}
