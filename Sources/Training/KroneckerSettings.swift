import Curvature
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

extension KroneckerSettings {
  /// The layers of a network that have curvature.
  package func layers(of description: NetworkDescription) -> [CurvatureLayer] {
    let tensors = description.layout.tensors
    let isForwardOnly = fisher == .forwardOnly
    var shapes: [(weight: Int, last: Int, shape: KroneckerShape, isNormalization: Bool)] = []
    for layer in description.kroneckerLayers {
      let shape = KroneckerShape(
        inputs: layer.inputs, hasBias: layer.bias != nil, outputs: layer.outputs,
        positions: layer.positions, axis: axis ?? (layer.isPooled ? .reduce : .expand),
        isTable: layer.isEmbedding, isForwardOnly: isForwardOnly)
      shapes.append((layer.weight, layer.bias ?? layer.weight, shape, false))
    }
    // Without vectors there is nothing to make a normalisation layer's block of.
    for (weight, features) in description.normalizationLayers where !isForwardOnly {
      let shape = KroneckerShape(
        blockOf: 2 * features, isDiagonal: !hasNormalizationBlocks)
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
  /// Places of the packed A and B in the packed sums: one behind the other, where nobody says otherwise.
  package var a: Range<Int>
  package var b: Range<Int>
}
