import Yams

/// Describes one layer as a user writes it, with the meaning and defaults of PyTorch's layer.
///
/// Shapes are those of one example: an image [channels, height, width], a sequence
/// [positions, features], or [features].
public struct LayerDescription: Sendable, Equatable {
  let kind: any LayerKind
  /// The layer's part of its tensors' names; nil for its index in its list, empty for no part at
  /// all.
  public var name: String?
  /// Distribution of the weights, with biases at 0; nil for the values of PyTorch's layer.
  public var initialization: Initialization?

  init(_ kind: any LayerKind) { self.kind = kind }

  /// Returns the same layer under a name: `.conv2d(…).named("conv1")` has a tensor `conv1.weight`.
  public func named(_ name: String) -> LayerDescription {
    var layer = self
    layer.name = name
    return layer
  }

  /// Returns the same layer with other initial values.
  public func initialized(_ initialization: Initialization) -> LayerDescription {
    var layer = self
    layer.initialization = initialization
    return layer
  }

  /// The kind's name in model files.
  public var kindName: String { kind.name }

  public static func == (a: LayerDescription, b: LayerDescription) -> Bool {
    a.kind.isEqual(to: b.kind) && a.name == b.name && a.initialization == b.initialization
  }
}

extension LayerDescription: CustomDebugStringConvertible {
  /// A text that is the same in all versions; checkpoints identify a network by it.
  public var debugDescription: String {
    let (name, fields) = kind.recorded
    let values = fields.map { label, value in
      (label.map { "\($0): " } ?? "") + String(reflecting: value)
    }
    return "Networks.LayerDescription(kind: Networks.LayerDescription.Kind.\(name)"
      + (values.isEmpty ? "" : "(\(values.joined(separator: ", ")))")
      + ", name: \(String(reflecting: self.name))"
      + ", initialization: \(String(reflecting: initialization)))"
  }
}

extension LayerDescription {
  /// Names that a model file may use, in the order of messages.
  public static let names = kinds.flatMap { $0.names }

  /// Reads one entry of a model file's list: `relu`, or `linear: {in: 96, out: 10}`.
  ///
  /// - Parameters:
  ///   - position: its index in the list, after those of the enclosing entries.
  ///   - lines: receives the line of each layer read.
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
    var fields = try LayerFields(
      options, line: node.mark?.line, layer: path, position: position, name: typeName)
    guard let kind = Self.kinds.first(where: { ($0.names + $0.aliases).contains(typeName) }) else {
      throw NetworkDescriptionError(
        line: node.mark?.line, layer: path,
        "unknown layer \(Node(typeName).summary); known: \(Self.names.joined(separator: ", "))")
    }
    self.init(try kind.init(named: typeName, &fields))
    lines.merge(fields.lines) { $1 }
    name = try fields.text("name")
    if kind.isInitializable { initialization = try fields.initialization() }
    try fields.checkAllRead()
  }
}
