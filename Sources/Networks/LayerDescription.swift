import Yams

/// One layer as a user writes it, with the meaning and the defaults of PyTorch's.
///
/// Shapes are those of one example: an image [channels, height, width], a sequence
/// [positions, features], or [features].
public struct LayerDescription: Sendable, Equatable {
  /// What it computes.
  let kind: any LayerKind
  /// Its part of its tensors' names; its index in its list where nil, and nothing at all where
  /// empty.
  public var name: String?
  /// How the weights start, and the biases at 0; where nil as PyTorch's layer of that kind does.
  public var initialization: Initialization?

  init(_ kind: any LayerKind) { self.kind = kind }

  /// The same layer under a name: `.conv2d(…).named("conv1")` has a tensor `conv1.weight`.
  public func named(_ name: String) -> LayerDescription {
    var layer = self
    layer.name = name
    return layer
  }

  /// The same layer with other initial values.
  public func initialized(_ initialization: Initialization) -> LayerDescription {
    var layer = self
    layer.initialization = initialization
    return layer
  }

  /// The kind's name in model files.
  public var kindName: String { kind.name }

  /// Whether both compute the same, and have the same name and initial values.
  public static func == (a: LayerDescription, b: LayerDescription) -> Bool {
    a.kind.isEqual(to: b.kind) && a.name == b.name && a.initialization == b.initialization
  }
}

extension LayerDescription: CustomDebugStringConvertible {
  /// A text that is the same in all versions: checkpoints know a network by it.
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
