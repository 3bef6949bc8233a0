import LinearAlgebra

/// Lists the layers that a network computes in order, on numbered values; value 0 is the input.
///
/// Several nodes of the graph become one step if a layer can compute them in one pass. A node that
/// is made of simpler layers becomes several steps.
struct NetworkSteps<Element: Scalar> {
  struct Step {
    let layer: any Layer<Element>
    let x: Int
    /// Second input, for a layer that adds it.
    let addend: Int?
    let y: Int
    /// Start of its parameters; nil if it has none.
    let parameters: Int?
    /// Index of its weight in the layout's tensors.
    let weightTensor: Int
    /// Start of its running statistics.
    let state: Int

    /// Values that it reads.
    var values: [Int] { [x] + (addend.map { [$0] } ?? []) }
  }

  private(set) var steps: [Step] = []
  /// Elements of each value, per example.
  private(set) var counts: [Int]
  private let graph: NetworkGraph
  /// Step value of each graph value; `channelsLast` has one entry for each step value.
  private var values: [Int]
  private var channelsLast = [false]

  init(_ graph: NetworkGraph) {
    self.graph = graph
    values = [0]
    counts = [graph.shapes[0].reduce(1, *)]
    // Number of nodes that read each value.
    var readers = Array(repeating: 0, count: graph.shapes.count)
    for node in graph.nodes {
      for input in node.inputs { readers[input] += 1 }
    }
    var index = 0
    while index < graph.nodes.count {
      index += append(index, readers)
    }
  }

  /// True for each value that depends on parameters.
  var dependsOnParameters: [Bool] {
    var depends = Array(repeating: false, count: counts.count)
    for step in steps {
      depends[step.y] = step.parameters != nil || step.values.contains { depends[$0] }
    }
    return depends
  }

  /// Appends the steps of a node, fused with the nodes after it that the same pass can compute;
  /// returns the number of nodes.
  private mutating func append(_ index: Int, _ readers: [Int]) -> Int {
    let node = graph.nodes[index]
    let input = values[node.inputs[0]]
    let shape = graph.shapes[node.inputs[0]]
    guard let kind = node.kind else {
      let second = inLayout(of: input, values[node.inputs[1]], shape)
      values.append(
        append(AdditionLayer<Element>(outputCount: counts[input]), input, addend: second))
      return 1
    }
    let ordinal = graph.nodes[..<index].count {
      $0.kind.map { type(of: $0) == type(of: kind) } ?? false
    }
    var steps: [LayerStep<Element>] = kind.steps(for: shape, ordinal: ordinal)
    let last = steps.removeLast()
    var x =
      switch kind.input {
      case .channelsFirst: transposed(input, shape, channelsLast: false)
      case .channelsLast: transposed(input, shape, channelsLast: true)
      case .any, .tokens: input
      }
    for step in steps { x = append(step, x, node: node) }
    let fused = fuse(last.layer, index, x, readers)
    let y = append(
      LayerStep(layer: fused.layer, tensors: last.tensors), x, addend: fused.addend, node: node)
    channelsLast[y] = graph.shapes[index + 1].count == 3 && channelsLast[x]
    // Only the fused nodes read the values in between.
    for _ in 0..<fused.nodes { values.append(y) }
    return fused.nodes
  }

  /// Fuses a layer with the addition of a shortcut and the activation that follow it, as far as the
  /// layer can. Returns the number of fused nodes.
  private mutating func fuse(
    _ layer: any Layer<Element>, _ index: Int, _ x: Int, _ readers: [Int]
  ) -> (layer: any Layer<Element>, addend: Int?, nodes: Int) {
    var fused = (layer: layer, addend: Int?.none, nodes: 1)
    let input = graph.nodes[index].inputs[0]
    func next() -> NetworkGraph.Node? {
      // The value of the last fused node; the next node may or may not read it.
      let latest = index + fused.nodes
      guard latest < graph.nodes.count, readers[latest] == 1 else { return nil }
      let node = graph.nodes[latest]
      return node.inputs.contains(latest) ? node : nil
    }
    if let sum = next(), sum.kind == nil, sum.inputs[0] != sum.inputs[1],
      let adding = layer.withAddend
    {
      let other = values[sum.inputs[0] == index + 1 ? sum.inputs[1] : sum.inputs[0]]
      // This step must not overwrite a gradient that other steps have already written.
      let isLastReader = !graph.nodes[(index + 2)...].contains { later in
        later.inputs.contains { values.indices.contains($0) && values[$0] == other }
      }
      if isLastReader, other != x, other != values[input] {
        fused = (adding, inLayout(of: x, other, graph.shapes[input]), 2)
      }
    }
    if let follower = next()?.kind, let both = fused.layer.followed(by: follower) {
      fused = (both, fused.addend, fused.nodes + 1)
    }
    return fused
  }

  private mutating func append(
    _ step: LayerStep<Element>, _ x: Int, addend: Int? = nil, node: NetworkGraph.Node
  ) -> Int {
    let first = node.parameters.lowerBound + step.tensors.lowerBound
    return append(
      step.layer, x, addend: addend,
      parameters: step.tensors.isEmpty ? nil : graph.parameters.tensors[first].range.lowerBound,
      weightTensor: first,
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

  /// Appends a transposition if an image has the other layout. Images arrive with channels first;
  /// image layers need them last.
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
}
