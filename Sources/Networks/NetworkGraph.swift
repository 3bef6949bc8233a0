/// A network's layers as a list of operations on numbered values: what remains of a description when
/// its sequences and branches are followed. Value 0 is the input; node i gives value i + 1.
struct NetworkGraph: Sendable, Equatable {
  struct Node: Sendable, Equatable {
    enum Operation: Sendable, Equatable {
      case layer(LayerDescription.Kind)
      /// The sum of two values.
      case add
    }

    let operation: Operation
    let inputs: [Int]
    /// Indices of its tensors in the layout of the parameters, and of the state.
    let parameters: Range<Int>
    let state: Range<Int>
  }

  private(set) var nodes: [Node] = []
  /// Of each value.
  private(set) var shapes: [[Int]]
  private(set) var parameters = ParameterLayout()
  private(set) var state = ParameterLayout()
  /// Who gives each value, for messages.
  private var givers = ["the input"]

  init(input: [Int], layers: [LayerDescription]) throws(NetworkDescriptionError) {
    shapes = [input]
    _ = try follow(layers, from: 0, within: "", at: [])
  }

  /// The tokens that embeddings of the input know, where there are any.
  var vocabulary: Int? {
    nodes.compactMap { node in
      if case .layer(.embedding(let vocabulary, _)) = node.operation { vocabulary } else { nil }
    }.min()
  }

  /// Which elements of the state are each batch-norm's, and how much of them a step replaces.
  var stateMomenta: [(elements: Range<Int>, momentum: Double)] {
    nodes.compactMap { node in
      guard case .layer(.batchNorm(let momentum, _)) = node.operation else { return nil }
      let tensors = state.tensors[node.state]
      return (tensors.first!.range.lowerBound..<tensors.last!.range.upperBound, momentum)
    }
  }

  /// The fewest elements of an example that a batch-norm takes together for one statistic.
  var fewestNormalized: Int? {
    nodes.compactMap { node in
      guard case .layer(.batchNorm) = node.operation else { return nil }
      let shape = shapes[node.inputs[0]]
      return shape.count == 3 ? shape[1] * shape[2] : 1
    }.min()
  }

  /// - Parameters:
  ///   - prefix: the name of the layer that these are in.
  ///   - position: its indices in the lists of layers around it.
  /// - Returns: the value that the last layer gives.
  private mutating func follow(
    _ layers: [LayerDescription], from value: Int, within prefix: String, at position: [Int]
  ) throws(NetworkDescriptionError) -> Int {
    var value = value
    for (index, layer) in layers.enumerated() {
      let name = layer.name ?? "\(index)"
      let path = prefix.isEmpty || name.isEmpty ? prefix + name : "\(prefix).\(name)"
      value = try follow(layer, from: value, path, position + [index])
    }
    return value
  }

  private mutating func follow(
    _ layer: LayerDescription, from value: Int, _ path: String, _ position: [Int]
  ) throws(NetworkDescriptionError) -> Int {
    func located(_ problem: LayerProblem) -> NetworkDescriptionError {
      NetworkDescriptionError(
        layer: path, layerName: layer.kindName, position: position, problem.message)
    }
    switch layer.kind {
    case .sequence(let layers), .add(let layers, _):
      guard !layers.isEmpty else { throw located(LayerProblem("has no layers")) }
      let result = try follow(layers, from: value, within: path, at: position)
      guard case .add(_, let shortcut) = layer.kind else { return result }
      var other = value
      if var shortcut {
        shortcut.name = shortcut.name ?? "shortcut"
        other = try follow([shortcut], from: value, within: path, at: position + [-1])
      }
      do { return try append(sumOf: result, other, path) } catch { throw located(error) }
    default:
      do { return try append(layer, reading: value, path) } catch { throw located(error) }
    }
  }

  private mutating func append(
    _ layer: LayerDescription, reading value: Int, _ path: String
  ) throws(LayerProblem) -> Int {
    let shape = shapes[value]
    if let scale = layer.initialization?.scale, !(scale.magnitude <= 1e30) {
      throw LayerProblem("the scale of its initial values must be at most 1e30, got \(scale)")
    }
    if case .embedding = layer.kind, value != 0 {
      throw LayerProblem("expects the tokens of the input, \(givers[value]) gives \(shape)")
    }
    let output = try layer.kind.outputShape(of: shape, from: givers[value])
    let tensors = try parameters.append(layer.parameterTensors(for: shape), of: path)
    let states = try state.append(layer.stateTensors(for: shape), of: path)
    return try append(
      Node(operation: .layer(layer.kind), inputs: [value], parameters: tensors, state: states),
      giving: output, "layer \(path) (\(layer.kindName))")
  }

  private mutating func append(
    sumOf value: Int, _ other: Int, _ path: String
  ) throws(LayerProblem) -> Int {
    guard shapes[value] == shapes[other] else {
      throw LayerProblem(
        "adds shapes that differ: \(givers[value]) gives \(shapes[value]), \(givers[other]) gives "
          + "\(shapes[other])")
    }
    return try append(
      Node(operation: .add, inputs: [value, other], parameters: 0..<0, state: 0..<0),
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
