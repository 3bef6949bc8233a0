import LinearAlgebra

/// The layers that a network computes one after another, on numbered values: value 0 is the input.
///
/// What the graph says in several nodes is one step where a layer can do it in one pass, and a node is
/// several steps where it is made of simpler layers.
struct NetworkSteps<Element: Scalar> {
  struct Step {
    let layer: any Layer<Element>
    let x: Int
    /// The second input, of a layer that adds it.
    let addend: Int?
    let y: Int
    /// Where its parameters begin; nil if it has none.
    let parameters: Int?
    /// Its weight among the layout's tensors.
    let weightTensor: Int
    /// Where its running statistics begin.
    let state: Int

    /// What it reads.
    var values: [Int] { [x] + (addend.map { [$0] } ?? []) }
  }

  private(set) var steps: [Step] = []
  /// Elements of each value, for one example.
  private(set) var counts: [Int]
  private let graph: NetworkGraph
  /// The value of each of the graph's values, and whether its channels are last.
  private var values: [Int]
  private var channelsLast = [false]
  private var dropouts = 0

  init(_ graph: NetworkGraph) {
    self.graph = graph
    values = [0]
    counts = [graph.shapes[0].reduce(1, *)]
    // How many nodes read each value.
    var readers = Array(repeating: 0, count: graph.shapes.count)
    for node in graph.nodes {
      for input in node.inputs { readers[input] += 1 }
    }
    var index = 0
    while index < graph.nodes.count {
      index += append(index, readers)
    }
  }

  /// Of each value, whether there are parameters before it.
  var dependsOnParameters: [Bool] {
    var depends = Array(repeating: false, count: counts.count)
    for step in steps {
      depends[step.y] = step.parameters != nil || step.values.contains { depends[$0] }
    }
    return depends
  }

  /// Appends the steps of a node, and of those after it that are done in the same pass; returns how
  /// many nodes these are.
  private mutating func append(_ index: Int, _ readers: [Int]) -> Int {
    let node = graph.nodes[index]
    let shape = graph.shapes[node.inputs[0]]
    switch node.operation {
    case .add:
      let first = values[node.inputs[0]]
      let second = inLayout(of: first, values[node.inputs[1]], shape)
      values.append(
        append(AdditionLayer<Element>(outputCount: counts[first]), first, addend: second))
      return 1
    case .layer(.batchNorm(_, let epsilon)):
      return appendBatchNorm(index, epsilon, readers)
    case .layer(.attention(let heads, let isCausal)):
      let (positions, width) = (shape[0], shape[1])
      let projection = graph.parameters.tensors[node.parameters.lowerBound + 2]
      let packed = append(
        LinearLayer<Element>(
          positions: positions, inputs: width, outputs: 3 * width, hasBias: true),
        values[node.inputs[0]], node: node)
      let attended = append(
        AttentionLayer<Element>(
          positions: positions, width: width, heads: heads, isCausal: isCausal), packed)
      values.append(
        append(
          LinearLayer<Element>(positions: positions, inputs: width, outputs: width, hasBias: true),
          attended, parameters: projection.range.lowerBound,
          weightTensor: node.parameters.lowerBound + 2))
      return 1
    case .layer(let kind):
      let input = values[node.inputs[0]]
      let x = kind.channelsLast.map { transposed(input, shape, channelsLast: $0) } ?? input
      let y = append(layer(kind, shape), x, node: node)
      channelsLast[y] = graph.shapes[index + 1].count == 3 && channelsLast[x]
      values.append(y)
      return 1
    }
  }

  /// Batch-norm, and in the same pass the addition of a shortcut and a ReLU that follow it.
  private mutating func appendBatchNorm(
    _ index: Int, _ epsilon: Double, _ readers: [Int]
  ) -> Int {
    let node = graph.nodes[index]
    let shape = graph.shapes[node.inputs[0]]
    let x = transposed(values[node.inputs[0]], shape, channelsLast: true)
    var nodes = 1
    var addend: Int?
    func next(after nodes: Int) -> NetworkGraph.Node? {
      // The value of the latest of them, which the node after it may read or not.
      let latest = index + nodes
      guard latest < graph.nodes.count, readers[latest] == 1 else { return nil }
      let node = graph.nodes[latest]
      return node.inputs.contains(latest) ? node : nil
    }
    if let sum = next(after: nodes), sum.operation == .add, sum.inputs[0] != sum.inputs[1] {
      let other = values[sum.inputs[0] == index + 1 ? sum.inputs[1] : sum.inputs[0]]
      // A gradient that other steps have already given cannot be overwritten by this one.
      let isLastReader = !graph.nodes[(index + 2)...].contains { later in
        later.inputs.contains { values.indices.contains($0) && values[$0] == other }
      }
      if isLastReader, other != x, other != values[node.inputs[0]] {
        addend = inLayout(of: x, other, shape)
        nodes += 1
      }
    }
    let follower = next(after: nodes)
    let hasReLU = follower?.operation == .layer(.activation(.relu))
    if hasReLU { nodes += 1 }
    let channels = shape[0]
    let y = append(
      BatchNormLayer<Element>(
        positions: counts[x] / channels, channels: channels, epsilon: epsilon,
        hasAddend: addend != nil, hasReLU: hasReLU),
      x, addend: addend, node: node)
    channelsLast[y] = shape.count == 3
    // The values between have no readers but these.
    for _ in 0..<nodes { values.append(y) }
    return nodes
  }

  private mutating func append(
    _ layer: any Layer<Element>, _ x: Int, addend: Int? = nil, node: NetworkGraph.Node
  ) -> Int {
    let tensors = graph.parameters.tensors[node.parameters]
    return append(
      layer, x, addend: addend, parameters: tensors.first?.range.lowerBound,
      weightTensor: node.parameters.lowerBound,
      state: graph.state.tensors[node.state].first?.range.lowerBound ?? 0)
  }

  private mutating func append(
    _ layer: any Layer<Element>, _ x: Int, addend: Int? = nil, parameters: Int? = nil,
    weightTensor: Int = 0, state: Int = 0
  ) -> Int {
    let y = counts.count
    steps.append(
      Step(
        layer: layer, x: x, addend: addend, y: y, parameters: parameters,
        weightTensor: weightTensor, state: state))
    counts.append(layer.outputCount)
    channelsLast.append(channelsLast[x])
    return y
  }

  // MARK: Images

  /// Images come with their channels first; layers of images want them last.
  private mutating func transposed(_ value: Int, _ shape: [Int], channelsLast wanted: Bool) -> Int {
    guard shape.count == 3, channelsLast[value] != wanted else { return value }
    let positions = shape[1] * shape[2]
    let y = append(
      TranspositionLayer<Element>(
        rows: wanted ? shape[0] : positions, columns: wanted ? positions : shape[0]), value)
    channelsLast[y] = wanted
    return y
  }

  private mutating func inLayout(of value: Int, _ other: Int, _ shape: [Int]) -> Int {
    transposed(other, shape, channelsLast: channelsLast[value])
  }

  private mutating func layer(
    _ kind: LayerDescription.Kind, _ shape: [Int]
  ) -> any Layer<Element> {
    let count = shape.reduce(1, *)
    let positions = shape.count == 2 ? shape[0] : 1
    func window(_ kernel: Int, _ stride: Int, _ padding: Int) -> SlidingWindow {
      SlidingWindow(
        height: shape[1], width: shape[2], channels: shape[0], kernel: kernel, stride: stride,
        padding: padding)
    }
    switch kind {
    case .linear(let inputs, let outputs, let bias):
      return LinearLayer(positions: positions, inputs: inputs, outputs: outputs, hasBias: bias)
    case .conv2d(_, let outputs, let kernel, let stride, let padding, let bias):
      return ConvolutionLayer(
        window: window(kernel, stride, padding), outputs: outputs, hasBias: bias)
    case .maxPool2d(let kernel, let stride, let padding):
      return MaxPoolingLayer(window: window(kernel, stride, padding))
    case .averagePool2d(let kernel, let stride, let padding):
      return AveragePoolingLayer(window: window(kernel, stride, padding))
    case .globalAveragePool:
      let features = shape.count == 3 ? shape[0] : shape[1]
      return GlobalAveragePoolingLayer(positions: count / features, outputCount: features)
    case .activation(let activation):
      return ActivationLayer(activation: activation, outputCount: count)
    case .layerNorm(let epsilon):
      return LayerNormLayer(positions: positions, width: shape.last!, epsilon: epsilon)
    case .dropout(let probability):
      dropouts += 1
      return DropoutLayer(probability: probability, outputCount: count, index: dropouts - 1)
    case .embedding(let vocabulary, let width):
      return EmbeddingLayer(positions: shape[0], vocabulary: vocabulary, width: width)
    case .positionEmbedding: return PositionEmbeddingLayer(outputCount: count)
    case .toSequence, .flatten: return ViewLayer(outputCount: count)
    case .batchNorm, .attention, .sequence, .add:
      preconditionFailure("\(kind) is several layers, or takes its own way")
    }
  }
}

extension LayerDescription.Kind {
  /// Whether it wants an image's channels last, or first; nil where either will do.
  fileprivate var channelsLast: Bool? {
    switch self {
    case .conv2d, .maxPool2d, .averagePool2d, .globalAveragePool, .toSequence: true
    case .flatten: false
    default: nil
    }
  }
}
