import LinearAlgebra
import Yams

extension LayerDescription {
  /// Names that a model file may use, in the order of messages.
  public static let names = [
    "linear", "conv2d", "max-pool2d", "average-pool2d", "global-average-pool", "flatten",
    "to-sequence", "relu", "tanh", "sigmoid", "gelu", "batch-norm", "layer-norm", "dropout",
    "embedding", "position-embedding", "attention", "sequence", "add",
  ]

  /// Reads one entry of a model file's list: `relu`, or `linear: {in: 96, out: 10}`.
  ///
  /// - Parameters:
  ///   - position: its index in the list, after those of the entries that it is in.
  ///   - lines: gains the line of each layer read.
  init(
    _ node: Node, at position: [Int], lines: inout [[Int]: Int]
  ) throws(NetworkDescriptionError) {
    let path = position.filter { $0 >= 0 }.map(String.init).joined(separator: ".")
    let typeName: String
    let options: Node?
    lines[position] = node.mark?.line
    switch node {
    case .scalar(let scalar):
      typeName = scalar.string
      options = nil
    case .mapping(let pairs) where pairs.count == 1:
      guard case .scalar(let scalar) = pairs[pairs.startIndex].key else { fallthrough }
      typeName = scalar.string
      options = pairs[pairs.startIndex].value
    default:
      throw NetworkDescriptionError(
        line: node.mark?.line, layer: path,
        "expected a layer such as relu or linear: {in: 96, out: 10}, got \(node.summary)")
    }
    var fields = try LayerFields(options, line: node.mark?.line, layer: path, name: typeName)
    switch typeName {
    case "linear":
      self = .linear(
        inputs: try fields.size("in"), outputs: try fields.size("out"),
        bias: try fields.flag("bias", default: true))
    case "conv2d":
      self = .conv2d(
        inputs: try fields.size("in"), outputs: try fields.size("out"),
        kernel: try fields.size("kernel"), stride: try fields.size("stride", default: 1),
        padding: try fields.size("padding", default: 0),
        bias: try fields.flag("bias", default: true))
    case "max-pool2d", "max-pool":
      let kernel = try fields.size("kernel")
      self = .maxPool2d(
        kernel: kernel, stride: try fields.size("stride", default: kernel),
        padding: try fields.size("padding", default: 0))
    case "average-pool2d", "average-pool":
      let kernel = try fields.size("kernel")
      self = .averagePool2d(
        kernel: kernel, stride: try fields.size("stride", default: kernel),
        padding: try fields.size("padding", default: 0))
    case "global-average-pool": self = .globalAveragePool
    case "flatten": self = .flatten
    case "to-sequence": self = .toSequence
    case "batch-norm":
      self = .batchNorm(
        momentum: try fields.number("momentum", default: 0.1),
        epsilon: try fields.number("epsilon", default: 1e-5))
    case "layer-norm": self = .layerNorm(epsilon: try fields.number("epsilon", default: 1e-5))
    case "dropout": self = .dropout(try fields.number("probability", default: 0.5))
    case "embedding":
      self = .embedding(
        vocabulary: try fields.size("vocabulary"), width: try fields.size("width"))
    case "position-embedding": self = .positionEmbedding
    case "attention":
      self = .attention(
        heads: try fields.size("heads"), isCausal: try fields.flag("causal", default: false))
    case "sequence":
      self = .sequence(try fields.layers("layers", at: position, lines: &lines) ?? [])
    case "add":
      let body = try fields.layers("layers", at: position, lines: &lines) ?? []
      let shortcut = try fields.layers("shortcut", at: position + [-1, 0], lines: &lines)
      self = .add(body, shortcut: shortcut.map { .sequence($0).named("shortcut") })
    default:
      guard let activation = Activation(rawValue: typeName) else {
        throw NetworkDescriptionError(
          line: node.mark?.line, layer: path,
          "unknown layer \(Node(typeName).summary); known: \(Self.names.joined(separator: ", "))")
      }
      self.init(.activation(activation))
    }
    name = try fields.text("name")
    switch kind {
    case .linear, .conv2d, .embedding, .positionEmbedding, .attention:
      initialization = try fields.initialization()
    default: break
    }
    try fields.checkAllRead()
  }
}
