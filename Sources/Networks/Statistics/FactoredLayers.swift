import Curvature

extension KroneckerSettings {
  /// Embeddings of more tokens than this are always expanded.
  package static var largestVocabulary: Int { 4096 }

  /// Returns the layers of a network that have curvature.
  ///
  /// - Parameter excluded: indices of tensors that get no curvature.
  package func layers(
    of description: NetworkDescription, excluding excluded: Set<Int> = []
  ) -> [FactoredLayer] {
    let tensors = description.layout.tensors
    let isForwardOnly = fisher == .forwardOnly
    var layers: [FactoredLayer] = []
    for layer in description.kroneckerLayers where !excluded.contains(layer.weight) {
      let bias = layer.bias.flatMap { excluded.contains($0) ? nil : $0 }
      // Counts of tokens need a dense factor; single tokens need only a diagonal one.
      let isLarge = layer.isEmbedding && layer.inputs > Self.largestVocabulary
      let axis = axis ?? (layer.isPooled ? .reduce : .expand)
      let shape = KroneckerShape(
        inputs: layer.inputs, hasBias: bias != nil, outputs: layer.outputs,
        positions: layer.positions, axis: isLarge ? .expand : axis,
        isTable: layer.isEmbedding, isForwardOnly: isForwardOnly)
      let end = bias.map { tensors[$0].range.upperBound } ?? layer.elements.upperBound
      layers.append(
        FactoredLayer(
          name: layer.name, weight: layer.weight, parameters: layer.elements.lowerBound..<end,
          shape: shape, exampleInputs: layer.exampleInputs))
    }
    // Forward-only curvature has no vectors to make a block from.
    for block in description.parameterBlocks
    where !isForwardOnly && excluded.isDisjoint(with: block.tensors) {
      let weight = block.tensors.lowerBound
      layers.append(
        FactoredLayer(
          name: tensors[weight].name, weight: weight, parameters: block.elements,
          shape: KroneckerShape(
            blockOf: block.elements.count, isDiagonal: !hasNormalizationBlocks),
          exampleInputs: 0, isNormalization: true))
    }
    layers.sort { $0.first < $1.first }
    var start = 0
    for i in layers.indices { start = layers[i].place(at: start) }
    return layers
  }
}

extension FactoredLayer {
  /// True for the bias of a convolution with several groups.
  package var isBias: Bool { isNormalization && name.hasSuffix("bias") }

  /// Returns the factors that turn the layer's sums over the global batch into A and B.
  ///
  /// - Parameter examples: examples in the global batch.
  package func scales(
    _ loss: Loss, _ reduction: LossReduction = .mean, of network: NetworkDescription,
    examples: Int
  ) -> (a: Double, b: Double) {
    let factor = loss.reductionFactor(
      reduction, predictions: examples * network.positions, outputs: network.outputCount)
    return (shape.scaleOfA(reductionFactor: factor), shape.scaleOfB(examples: examples))
  }
}
