import Curvature

extension KroneckerSettings {
  /// Embeddings of more tokens than that are expanded always.
  package static var largestVocabulary: Int { 4096 }

  /// The layers of a network that have curvature.
  ///
  /// - Parameter excluded: tensors that are not to have any, by their index.
  package func layers(
    of description: NetworkDescription, excluding excluded: Set<Int> = []
  ) -> [FactoredLayer] {
    let tensors = description.layout.tensors
    let isForwardOnly = fisher == .forwardOnly
    var layers: [FactoredLayer] = []
    for layer in description.kroneckerLayers where !excluded.contains(layer.weight) {
      let bias = layer.bias.flatMap { excluded.contains($0) ? nil : $0 }
      // Counts of tokens meet in a dense factor, where tokens by themselves have a diagonal one.
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
    // Without vectors there is nothing to make a block of.
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
  /// Whether it is the bias of a convolution of several groups.
  package var isBias: Bool { isNormalization && name.hasSuffix("bias") }

  /// What its sums over the global batch are multiplied by to become A and B.
  ///
  /// - Parameter examples: of the global batch.
  package func scales(
    _ loss: Loss, _ reduction: LossReduction = .mean, of network: NetworkDescription,
    examples: Int
  ) -> (a: Double, b: Double) {
    let factor = loss.reductionFactor(
      reduction, predictions: examples * network.positions, outputs: network.outputCount)
    return (shape.scaleOfA(reductionFactor: factor), shape.scaleOfB(examples: examples))
  }
}
