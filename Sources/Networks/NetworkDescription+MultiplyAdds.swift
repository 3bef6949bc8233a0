extension NetworkDescription {
  /// Products with an input that each weight of a parameter tensor is in, for one example, in the
  /// order of the layout.
  ///
  /// Of linear layers and the projections of attention one at each position of a sequence, of
  /// convolutions one at each of the output, those with padding included. Of biases, normalisations
  /// and embeddings 0: only what a matrix product or a convolution does is counted.
  public var multiplyAddsPerWeight: [Int] {
    var counts = [Int](repeating: 0, count: layout.tensors.count)
    for (index, node) in graph.nodes.enumerated() {
      guard let kind = node.kind else { continue }
      let count = kind.multiplyAddsPerWeight(
        for: graph.shapes[node.inputs[0]], giving: graph.shapes[index + 1])
      for tensor in node.parameters where layout.tensors[tensor].shape.count > 1 {
        counts[tensor] = count
      }
    }
    return counts
  }
}
