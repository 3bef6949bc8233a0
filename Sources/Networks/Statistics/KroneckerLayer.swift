/// Describes a layer whose Gauss–Newton block has the form B ⊗ A: a linear layer, a convolution, a
/// projection of attention, or an embedding.
///
///     W [outputs, inputs] row-major. With a bias b [outputs] behind its rows, the block is that of
///     the matrix [outputs, inputs + 1]. An embedding's table is [inputs, outputs].
///
/// Each group of a convolution's outputs is a separate layer. Otherwise no two layers of a network
/// share a tensor: a description that names one twice is refused.
public struct KroneckerLayer: Sendable, Equatable {
  /// Name of its weight; for one of several groups, `conv.weight[3]`.
  public let name: String
  /// Index of its weight in the layout's tensors.
  public let weight: Int
  /// The weight's elements in the parameters.
  public let elements: Range<Int>
  /// Index of its bias in the layout's tensors; nil without a bias.
  public let bias: Int?
  /// d_in, without the 1 of a bias.
  public let inputs: Int
  /// Numbers in an example's inputs as the layer receives them; for a convolution, those of the
  /// image.
  public let exampleInputs: Int
  /// d_out
  public let outputs: Int
  /// S, positions of an example that share the weight: those of a sequence, or of a convolution's
  /// window.
  public let positions: Int
  /// True if the S positions are pooled into one before the loss. Otherwise S is 1, or each
  /// position has its own loss or its own later weights, like features of a flattened example.
  public let isPooled: Bool
  /// True if its inputs are tokens.
  public let isEmbedding: Bool
  /// Elements per example that a network copies to show the layer to a collector.
  public let copiedCount: Int
}

/// Describes parameters whose Gauss–Newton block is made of the examples' own gradients: those of a
/// normalisation layer, or the bias of a convolution with several groups.
public struct ParameterBlock: Sendable, Equatable {
  /// Indices in the layout's tensors.
  public let tensors: Range<Int>
  /// Range of their elements in the parameters.
  public let elements: Range<Int>
}

extension NetworkDescription {
  /// The layers with Kronecker factors, in the order of their weights.
  public var kroneckerLayers: [KroneckerLayer] {
    let pooled = graph.nodesBeforePooling
    return graph.nodes.enumerated().flatMap { index, node -> [KroneckerLayer] in
      let shape = graph.shapes[node.inputs[0]]
      return (node.kind?.curvature(for: shape).weights ?? []).map { form in
        let weight = node.parameters.lowerBound + form.tensor
        let (tensor, count) = (layout.tensors[weight], form.inputs * form.outputs)
        let first = tensor.range.lowerBound + (form.group ?? 0) * count
        return KroneckerLayer(
          name: tensor.name + (form.group.map { "[\($0)]" } ?? ""), weight: weight,
          elements: first..<first + count, bias: form.hasBias ? weight + 1 : nil,
          inputs: form.inputs, exampleInputs: form.exampleInputs ?? shape.reduce(1, *),
          outputs: form.outputs,
          positions: form.positions, isPooled: form.positions > 1 && pooled.contains(index),
          isEmbedding: form.isEmbedding, copiedCount: form.copied)
      }
    }
  }

  /// The parameter blocks, in the order of their tensors.
  public var parameterBlocks: [ParameterBlock] {
    graph.nodes.compactMap { node in
      guard let block = node.kind?.curvature(for: graph.shapes[node.inputs[0]]).block else {
        return nil
      }
      let first = node.parameters.lowerBound
      let tensors = first + block.lowerBound..<first + block.upperBound
      let ranges = layout.tensors[tensors].map(\.range)
      return ParameterBlock(
        tensors: tensors, elements: ranges.first!.lowerBound..<ranges.last!.upperBound)
    }
  }

  /// Indices of the tensors in neither: position embeddings.
  public var tensorsWithoutCurvature: [Int] {
    let inside = Set(
      kroneckerLayers.flatMap { [$0.weight] + ($0.bias.map { [$0] } ?? []) }
        + parameterBlocks.flatMap(\.tensors))
    return layout.tensors.indices.filter { !inside.contains($0) }
  }
}

extension NetworkGraph {
  /// Nodes whose output reaches a layer that pools several positions into one.
  fileprivate var nodesBeforePooling: Set<Int> {
    func positions(_ value: Int) -> Int {
      let shape = shapes[value]
      return shape.count == 3 ? shape[1] * shape[2] : shape.count == 2 ? shape[0] : 1
    }
    var found: Set<Int> = []
    for (index, node) in nodes.enumerated().reversed() {
      let isPooling =
        node.kind?.curvature(for: shapes[node.inputs[0]]).isPooling ?? false
        && positions(node.inputs[0]) > 1 && positions(index + 1) == 1
      // Value v belongs to node v − 1; the input belongs to none.
      if isPooling || found.contains(index) { found.formUnion(node.inputs.map { $0 - 1 }) }
    }
    return found
  }
}
