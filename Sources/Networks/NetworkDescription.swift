/// A network as a value: the shape of an example and the list of layers, checked to fit together.
public struct NetworkDescription: Sendable, Equatable {
  /// The shape of an example: [channels, height, width] before convolutions, [positions] of tokens
  /// before an embedding, else any.
  public let input: [Int]
  /// One after another, from the input to the output.
  public let layers: [LayerDescription]
  let graph: NetworkGraph

  /// - Throws: `NetworkDescriptionError` naming the first layer whose sizes are not positive, do
  ///   not follow the layer before it, or are too large; or that there are no layers, no
  ///   parameters, or that the output has more than two dimensions.
  public init(
    input: [Int], layers: [LayerDescription]
  ) throws(NetworkDescriptionError) {
    guard !input.isEmpty, input.allSatisfy({ $0 > 0 }), boundedProduct(input) != nil else {
      throw NetworkDescriptionError(
        "input must be positive sizes with a product up to \(largestCount), got \(input)")
    }
    guard let last = layers.last else {
      throw NetworkDescriptionError("layers is empty: a network needs at least one layer")
    }
    self.input = input
    self.layers = layers
    graph = try NetworkGraph(input: input, layers: layers)
    guard graph.parameters.count > 0 else {
      throw NetworkDescriptionError("no layer has parameters: there is nothing to train")
    }
    guard outputShape.count <= 2 else {
      throw NetworkDescriptionError(
        layer: "\(layers.count - 1)", layerName: last.kindName, position: [layers.count - 1],
        "gives \(outputShape): the last layer must give one dimension, or two for a sequence; "
          + "add flatten")
    }
  }

  /// Names, shapes and places of the parameters [d].
  public var layout: ParameterLayout { graph.parameters }

  /// Names, shapes and places of the running statistics [s] that batch-norms keep; may be empty.
  public var stateLayout: ParameterLayout { graph.state }

  /// Elements of an example.
  public var inputCount: Int { input.reduce(1, *) }

  /// Where the input is embedded, it must be tokens: whole numbers from 0 to below this.
  public var vocabulary: Int? { graph.vocabulary }

  /// The fewest elements of an example that a batch-norm takes together for one statistic; nil
  /// without batch-norm. A statistic of a single element says nothing.
  public var fewestNormalized: Int? {
    graph.runningStatistics.map { $0.statistics.elements }.min()
  }

  /// Predictions that an example asks for: 1, or one at each position of a sequence.
  public var positions: Int { outputShape.count == 2 ? outputShape[0] : 1 }

  /// Outputs of one prediction: classes, or numbers.
  public var outputCount: Int { outputShape.last! }

  private var outputShape: [Int] { graph.shapes.last! }

  /// Whether both have the same input and layers.
  public static func == (a: NetworkDescription, b: NetworkDescription) -> Bool {
    a.input == b.input && a.layers == b.layers
  }
}

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
