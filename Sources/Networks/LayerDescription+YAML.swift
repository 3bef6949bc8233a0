import Yams

extension LayerDescription {
  /// Names that a model file may use, in the order of messages.
  public static let names = [
    "linear", "conv2d", "max-pool2d", "average-pool2d", "flatten", "relu", "tanh", "sigmoid",
    "gelu",
  ]

  /// Reads one entry of a model file's list: `relu`, or `linear: {in: 96, out: 10}`.
  init(_ node: Node, index: Int) throws(NetworkDescriptionError) {
    let name: String
    let options: Node?
    switch node {
    case .scalar(let scalar):
      name = scalar.string
      options = nil
    case .mapping(let pairs) where pairs.count == 1:
      guard case .scalar(let scalar) = pairs[pairs.startIndex].key else { fallthrough }
      name = scalar.string
      options = pairs[pairs.startIndex].value
    default:
      throw NetworkDescriptionError(
        line: node.mark?.line, layer: index,
        "expected a layer such as relu or linear: {in: 96, out: 10}, got \(node.summary)")
    }
    var fields = try LayerFields(options, line: node.mark?.line, layer: index, name: name)
    switch name {
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
    case "flatten": self = .flatten
    case "relu": self = .relu
    case "tanh": self = .tanh
    case "sigmoid": self = .sigmoid
    case "gelu": self = .gelu
    default:
      throw NetworkDescriptionError(
        line: node.mark?.line, layer: index,
        "unknown layer \(Node(name).summary); known: \(Self.names.joined(separator: ", "))")
    }
    try fields.checkAllRead()
  }
}

/// The options of one layer in a model file, each read once.
struct LayerFields {
  private let line: Int?
  private let layer: Int
  private let name: String
  private var unread: [(key: String, value: Node)] = []
  private var known: [String] = []

  init(
    _ options: Node?, line: Int?, layer: Int, name: String
  ) throws(NetworkDescriptionError) {
    self.line = line
    self.layer = layer
    self.name = name
    switch options {
    case nil: break
    case .scalar(let scalar)? where scalar.string.isEmpty: break
    case .mapping(let pairs)?:
      for (key, value) in pairs {
        guard case .scalar(let scalar) = key else {
          throw error(key, "expected a key with a value, got \(key.summary) as the key")
        }
        unread.append((scalar.string, value))
      }
    case .some(let node):
      throw error(node, "expected options such as {kernel: 2}, got \(node.summary)")
    }
  }

  /// An integer; layers check its range.
  mutating func size(_ key: String, default: Int? = nil) throws(NetworkDescriptionError) -> Int {
    guard let node = take(key) else {
      if let `default` { return `default` }
      throw NetworkDescriptionError(
        line: line, layer: layer, layerName: name, "the key \(key) is missing")
    }
    guard let value = node.plainText.flatMap({ Int($0) }) else {
      throw error(node, "\(key): expected an integer, got \(node.summary)")
    }
    return value
  }

  mutating func flag(
    _ key: String, default: Bool
  ) throws(NetworkDescriptionError) -> Bool {
    guard let node = take(key) else { return `default` }
    guard let value = node.plainText.flatMap({ Bool($0) }) else {
      throw error(node, "\(key): expected true or false, got \(node.summary)")
    }
    return value
  }

  func checkAllRead() throws(NetworkDescriptionError) {
    guard let (key, value) = unread.first else { return }
    let expected = known.isEmpty ? "no keys" : known.joined(separator: ", ")
    throw error(value, "unknown key \(Node(key).summary); expected \(expected)")
  }

  private mutating func take(_ key: String) -> Node? {
    known.append(key)
    return unread.firstIndex { $0.key == key }.map { unread.remove(at: $0).value }
  }

  private func error(_ node: Node, _ problem: String) -> NetworkDescriptionError {
    NetworkDescriptionError(
      line: node.mark?.line ?? line, layer: layer, layerName: name, problem)
  }
}
