import Curvature
import LinearAlgebra
import Networks

/// Which curvature is gathered.
package struct KroneckerSettings: Sendable, Equatable {
  /// What becomes of shared axes; nil: reduced where they have come together before the loss, else
  /// expanded.
  package var axis: SharedAxis?
  package var fisher: Fisher
  /// Whether a normalisation layer has its whole block [γ then β], or the diagonal of that.
  package var hasNormalizationBlocks: Bool

  package init(
    axis: SharedAxis? = nil, fisher: Fisher = .type2, hasNormalizationBlocks: Bool = false
  ) {
    self.axis = axis
    self.fisher = fisher
    self.hasNormalizationBlocks = hasNormalizationBlocks
  }
}

/// A layer of which curvature is gathered, and where its factors' sums lie among those of all layers.
package struct CurvatureLayer: Sendable {
  /// The weight's name, and the elements [d] of the weight and its bias (or γ and β), one behind the
  /// other.
  package let name: String
  package let weight: Int
  package let parameters: Range<Int>
  /// Of a normalisation layer, A is its block and B the unit matrix of order 1.
  package let shape: KroneckerShape
  package let isNormalization: Bool
  /// Places of the packed A and B in the packed sums.
  package let a: Range<Int>
  package let b: Range<Int>
}

/// Gathers the sums of all layers' factors from passes over micro-batches.
///
///     packed [packedCount]   A and B of each layer in turn, as packed triangles, not scaled
///
/// The packed sums of micro-batches are added in the fixed tree; `FactorAverage.add` then scales them,
/// by `scales(of:examples:)` for the *global* batch.
package final class KroneckerStatistics<Element: Scalar> {
  package let settings: KroneckerSettings
  package let layers: [CurvatureLayer]
  /// Names of the tensors that have no curvature here.
  package let outside: [String]
  package let packedCount: Int

  private let network: Network<Element>
  private let loss: Loss
  private let vectors: FisherVectors<Element>
  private let sums: [Int: KroneckerSums<Element>]
  private let blocks: [Int: FactorSums<Element>]
  private let layerOfWeight: [Int: CurvatureLayer]

  package init(_ network: Network<Element>, loss: Loss, settings: KroneckerSettings) {
    let description = network.description
    self.network = network
    self.loss = loss
    self.settings = settings
    layers = Self.layers(of: description, settings)
    packedCount = layers.last?.b.upperBound ?? 0
    outside = description.tensorsWithoutCurvature.map { description.layout.tensors[$0].name }
    let kronecker = layers.filter { !$0.isNormalization }
    let workspace = FactorWorkspace<Element>(
      for: kronecker.map(\.shape), examples: network.maximumBatch)
    vectors = FisherVectors(
      settings.fisher, of: loss, predictions: network.maximumBatch * network.positions,
      outputs: network.outputCount)
    sums = Dictionary(
      uniqueKeysWithValues: kronecker.map {
        ($0.weight, KroneckerSums($0.shape, workspace: workspace))
      })
    blocks = Dictionary(
      uniqueKeysWithValues: layers.filter(\.isNormalization).map {
        ($0.weight, FactorSums($0.shape.a))
      })
    layerOfWeight = Dictionary(uniqueKeysWithValues: layers.map { ($0.weight, $0) })
  }

  /// Bytes of one, its network's and packed sums not counted: what layers take turns with, their B, and
  /// normalisations' gradients by example.
  package static func bytes(
    for description: NetworkDescription, maximumBatch: Int, settings: KroneckerSettings
  ) -> Int {
    let layers = layers(of: description, settings)
    let kronecker = layers.filter { !$0.isNormalization }.map(\.shape)
    let blocks = layers.filter(\.isNormalization).map(\.shape.a)
    func square(_ shape: FactorShape) -> Int {
      shape.form == .dense ? shape.order * shape.order : shape.packedCount
    }
    let predictions = maximumBatch * description.positions
    let elements =
      kronecker.reduce(0) { $0 + square($1.b) } + blocks.reduce(0) { $0 + square($1) }
      + maximumBatch * (blocks.map(\.order).max() ?? 0)
      + predictions * (1 + description.outputCount)
    return elements * MemoryLayout<Element>.stride
      + FactorWorkspace<Element>.bytes(for: kronecker, examples: maximumBatch)
  }

  /// Embeddings of more tokens than that are expanded always.
  package static var largestVocabulary: Int { 4096 }

  private static func layers(
    of description: NetworkDescription, _ settings: KroneckerSettings
  ) -> [CurvatureLayer] {
    let tensors = description.layout.tensors
    let isForwardOnly = settings.fisher == .forwardOnly
    var shapes: [(weight: Int, last: Int, shape: KroneckerShape, isNormalization: Bool)] = []
    for layer in description.kroneckerLayers {
      // Counts of tokens meet in a dense factor, where tokens by themselves have a diagonal one.
      let isLarge = layer.isEmbedding && layer.inputs > Self.largestVocabulary
      let axis = settings.axis ?? (layer.isPooled ? .reduce : .expand)
      let shape = KroneckerShape(
        inputs: layer.inputs, hasBias: layer.bias != nil, outputs: layer.outputs,
        positions: layer.positions, axis: isLarge ? .expand : axis,
        isTable: layer.isEmbedding, isForwardOnly: isForwardOnly)
      shapes.append((layer.weight, layer.bias ?? layer.weight, shape, false))
    }
    // Without vectors there is nothing to make a normalisation layer's block of.
    for (weight, features) in description.normalizationLayers where !isForwardOnly {
      let shape = KroneckerShape(
        blockOf: 2 * features, isDiagonal: !settings.hasNormalizationBlocks)
      shapes.append((weight, weight + 1, shape, true))
    }
    var start = 0
    return shapes.sorted { $0.weight < $1.weight }.map { layer in
      let b = start + layer.shape.a.packedCount
      let end = b + layer.shape.b.packedCount
      defer { start = end }
      return CurvatureLayer(
        name: tensors[layer.weight].name, weight: layer.weight,
        parameters: tensors[layer.weight].range.lowerBound..<tensors[layer.last].range.upperBound,
        shape: layer.shape, isNormalization: layer.isNormalization, a: start..<b, b: b..<end)
    }
  }

  /// What a layer's sums over the global batch are multiplied by.
  ///
  /// - Parameter examples: of the global batch.
  package func scales(
    of layer: CurvatureLayer, examples: Int, reduction: LossReduction = .mean
  ) -> (a: Double, b: Double) {
    let factor = loss.reductionFactor(
      reduction, predictions: examples * network.positions, outputs: network.outputCount)
    return (
      layer.shape.scaleOfA(reductionFactor: factor), layer.shape.scaleOfB(examples: examples)
    )
  }

  /// The sums of a micro-batch.
  ///
  /// - Parameters:
  ///   - targets: needed by an empirical Fisher matrix alone.
  ///   - training: its statistics are overwritten; nil for the network as it predicts.
  ///   - isForwardDone: the network's last call was of these very arguments.
  ///   - seed, step, firstExample: what is drawn depends on, as in `TrainingPass`.
  ///   - packed: [packedCount], overwritten.
  package func gather(
    inputs: UnsafeBufferPointer<Element>, targets: Targets<Element>? = nil,
    parameters: UnsafeBufferPointer<Element>, state: UnsafeBufferPointer<Element>,
    training: TrainingPass<Element>? = nil, isForwardDone: Bool = false, seed: UInt64, step: Int,
    firstExample: Int, into packed: UnsafeMutablePointer<Element>
  ) {
    observe(into: packed, scale: 1)
    network.propagateColumns(
      inputs: inputs, parameters: parameters, state: state, training: training,
      columns: vectors.columns, isForwardDone: isForwardDone
    ) { column, outputs, vector in
      vectors.fill(
        column, outputs, into: vector, targets: targets, seed: seed, step: step,
        firstPrediction: firstExample * network.positions)
    }
    finish(into: packed)
  }

  /// The sums of an empirical Fisher matrix, from a pass that computes the gradient anyway.
  ///
  /// - Parameters:
  ///   - scale: of `lossAndGradient`.
  ///   - body: calls `lossAndGradient` once.
  package func gatherEmpirical<Result>(
    scale: Double, into packed: UnsafeMutablePointer<Element>, _ body: () throws -> Result
  ) rethrows -> Result {
    precondition(settings.fisher == .empirical, "\(settings.fisher) from the gradient's pass")
    observe(
      into: packed, scale: 1 / (scale * loss.gradientFactor(outputs: network.outputCount)))
    defer { finish(into: packed) }
    return try body()
  }

  private func observe(into packed: UnsafeMutablePointer<Element>, scale: Double) {
    network.observer = { [sums, layerOfWeight] seen in
      guard let sum = sums[seen.weight], let layer = layerOfWeight[seen.weight] else { return }
      if seen.column == 0 {
        sum.sumInputs(seen.inputs, examples: seen.examples, into: packed + layer.a.lowerBound)
      }
      if let gradients = seen.outputGradients.baseAddress {
        sum.addOutputGradients(gradients, examples: seen.examples, scale: scale)
      }
    }
    guard !blocks.isEmpty else { return }
    network.normalizationObserver = { [blocks] seen in
      blocks[seen.weight]?.add(
        seen.gradients.baseAddress!, count: seen.examples, factor: scale * scale)
    }
  }

  private func finish(into packed: UnsafeMutablePointer<Element>) {
    network.observer = nil
    network.normalizationObserver = nil
    for layer in layers {
      sums[layer.weight]?.finishOutputs(into: packed + layer.b.lowerBound)
      blocks[layer.weight]?.finish(into: packed + layer.a.lowerBound)
    }
  }
}
