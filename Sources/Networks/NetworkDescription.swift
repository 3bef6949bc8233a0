/// Describes a network as a value: the shape of an example and a list of layers that fit together.
public struct NetworkDescription: Sendable, Equatable {
  /// Shape of an example: [channels, height, width] before convolutions, [positions] of tokens
  /// before an embedding, otherwise any.
  public let input: [Int]
  /// Layers in order, from the input to the output.
  public let layers: [LayerDescription]
  let graph: NetworkGraph

  /// Checks that the layers fit together.
  ///
  /// - Throws: `NetworkDescriptionError` naming the first layer whose sizes are not positive, do
  ///   not match the layer before it, or are too large. It also reports a network without layers or
  ///   parameters, and an output of more than two dimensions.
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

  /// Names, shapes and ranges of the parameters [d].
  public var layout: ParameterLayout { graph.parameters }

  /// Names, shapes and ranges of the running statistics [s] of batch-norms; may be empty.
  public var stateLayout: ParameterLayout { graph.state }

  /// Elements of an example.
  public var inputCount: Int { input.reduce(1, *) }

  /// Exclusive upper bound of the tokens, which are whole numbers from 0; nil without embeddings.
  public var vocabulary: Int? { graph.vocabulary }

  /// Fewest elements of an example that enter one batch-norm statistic; nil without batch-norm. A
  /// statistic of a single element carries no information.
  public var fewestNormalized: Int? {
    graph.runningStatistics.map { $0.statistics.elements }.min()
  }

  /// Predictions per example: 1, or one at each position of a sequence.
  public var positions: Int { outputShape.count == 2 ? outputShape[0] : 1 }

  /// Outputs of one prediction: classes, or values.
  public var outputCount: Int { outputShape.last! }

  private var outputShape: [Int] { graph.shapes.last! }

  public static func == (a: NetworkDescription, b: NetworkDescription) -> Bool {
    a.input == b.input && a.layers == b.layers
  }
}

extension NetworkDescription {
  /// Products with an input that each weight of a parameter tensor enters, per example, in the
  /// order of the layout.
  ///
  /// Weights of linear layers and of attention's projections enter one product at each position of
  /// a sequence. Those of convolutions enter one at each output position, including products with
  /// padding. Biases, normalisations and embeddings have 0: only matrix products and convolutions
  /// count.
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
