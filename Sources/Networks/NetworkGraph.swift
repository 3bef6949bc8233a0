/// Lists a network's layers as operations on numbered values, with sequences and branches resolved.
/// Value 0 is the input; node i computes value i + 1.
struct NetworkGraph: Sendable {
  struct Node: Sendable {
    /// Kind that computes the node; nil for the sum of two values.
    let kind: (any NodeKind)?
    let inputs: [Int]
    /// Indices of its tensors in the layout of the parameters; `state` has those in the state's.
    let parameters: Range<Int>
    let state: Range<Int>
  }

  private(set) var nodes: [Node] = []
  /// Shape of each value.
  private(set) var shapes: [[Int]]
  private(set) var parameters = ParameterLayout()
  private(set) var state = ParameterLayout()
  /// Name of the layer or input that gives each value, for messages.
  private var givers = ["the input"]

  init(input: [Int], layers: [LayerDescription]) throws(NetworkDescriptionError) {
    shapes = [input]
    _ = try append(layers, reading: 0, within: LayerPlace(path: "", position: []))
  }

  /// Smallest vocabulary of the input's embeddings; nil without embeddings.
  var vocabulary: Int? {
    nodes.compactMap { node in
      if case .tokens(let vocabulary)? = node.kind?.input { vocabulary } else { nil }
    }.min()
  }

  /// Running statistics, and the elements of the state that hold them.
  var runningStatistics: [(elements: Range<Int>, statistics: RunningStatistics)] {
    nodes.compactMap { node in
      guard let statistics = node.kind?.state(for: shapes[node.inputs[0]]) else { return nil }
      let tensors = state.tensors[node.state]
      return (tensors.first!.range.lowerBound..<tensors.last!.range.upperBound, statistics)
    }
  }

  /// Appends layers in order.
  ///
  /// - Parameter around: the enclosing layer.
  /// - Returns: the value that the last layer computes.
  mutating func append(
    _ layers: [LayerDescription], reading value: Int, within around: LayerPlace
  ) throws(NetworkDescriptionError) -> Int {
    var value = value
    for (index, layer) in layers.enumerated() {
      let name = layer.name ?? "\(index)"
      let isBare = around.path.isEmpty || name.isEmpty
      let place = LayerPlace(
        path: isBare ? around.path + name : "\(around.path).\(name)",
        position: around.position + [index])
      value = try layer.kind.append(
        to: &self, reading: value, initialization: layer.initialization, place)
    }
    return value
  }

  /// Appends a node.
  mutating func append(
    _ kind: some NodeKind, reading value: Int, _ initialization: Initialization?, _ path: String
  ) throws(LayerProblem) -> Int {
    let shape = shapes[value]
    if let scale = initialization?.scale, !(scale.magnitude <= 1e30) {
      throw LayerProblem("the scale of its initial values must be at most 1e30, got \(scale)")
    }
    if case .tokens = kind.input, value != 0 {
      throw LayerProblem("expects the tokens of the input, \(givers[value]) gives \(shape)")
    }
    let output = try kind.outputShape(of: shape, from: givers[value])
    let tensors = try parameters.append(kind.parameters(for: shape, initialization), of: path)
    let states = try state.append(kind.state(for: shape)?.tensors ?? [], of: path)
    return try append(
      Node(kind: kind, inputs: [value], parameters: tensors, state: states), giving: output,
      "layer \(path) (\(kind.name))")
  }

  /// Appends a sum.
  mutating func append(
    sumOf value: Int, _ other: Int, _ path: String
  ) throws(LayerProblem) -> Int {
    guard shapes[value] == shapes[other] else {
      throw LayerProblem(
        "adds shapes that differ: \(givers[value]) gives \(shapes[value]), \(givers[other]) gives "
          + "\(shapes[other])")
    }
    return try append(
      Node(kind: nil, inputs: [value, other], parameters: 0..<0, state: 0..<0),
      giving: shapes[value], "layer \(path) (add)")
  }

  private mutating func append(
    _ node: Node, giving shape: [Int], _ giver: String
  ) throws(LayerProblem) -> Int {
    guard boundedProduct(shape) != nil else {
      throw LayerProblem("gives \(shape), more than \(largestCount) elements")
    }
    nodes.append(node)
    shapes.append(shape)
    givers.append(giver)
    return nodes.count
  }
}
