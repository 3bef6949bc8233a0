import Yams

/// Reads the options of one layer in a model file, each once.
struct LayerFields {
  private let line: Int?
  private let layer: String
  private let position: [Int]
  private let name: String
  private var unread: [(key: String, value: Node)] = []
  private var known: [String] = []
  /// Lines of the layers read within this one, by their positions.
  private(set) var lines: [[Int]: Int] = [:]

  /// Takes the options of a layer.
  ///
  /// - Parameter position: the layer's index in its list, after those of the enclosing layers.
  init(
    _ options: Node?, line: Int?, layer: String, position: [Int], name: String
  ) throws(NetworkDescriptionError) {
    self.line = line
    self.layer = layer
    self.position = position
    self.name = name
    switch options {
    case nil: break
    case .scalar(let scalar)? where scalar.string.isEmpty || options?.null != nil: break
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

  /// Reads an integer; layers check its range.
  mutating func size(_ key: String, default: Int? = nil) throws(NetworkDescriptionError) -> Int {
    try value(key, default: `default`, "an integer") { Int($0) }
  }

  mutating func flag(_ key: String, default: Bool) throws(NetworkDescriptionError) -> Bool {
    try value(key, default: `default`, "true or false") { Bool(yaml: $0) }
  }

  mutating func number(_ key: String, default: Double) throws(NetworkDescriptionError) -> Double {
    try value(key, default: `default`, "a number") { Double($0) }
  }

  private mutating func value<Value>(
    _ key: String, default: Value?, _ expected: String, _ parse: (String) -> Value?
  ) throws(NetworkDescriptionError) -> Value {
    guard let node = take(key) else {
      if let `default` { return `default` }
      throw NetworkDescriptionError(
        line: line, layer: layer, layerName: name, "the key \(key) is missing")
    }
    guard let value = node.plainText.flatMap(parse) else {
      throw error(node, "\(key): expected \(expected), got \(node.summary)")
    }
    return value
  }

  mutating func text(_ key: String) throws(NetworkDescriptionError) -> String? {
    guard let node = takeAny(key) else { return nil }
    guard case .scalar(let scalar) = node else {
      throw error(node, "\(key): expected a word, got \(node.summary)")
    }
    // An empty text, which some tools write as null.
    return node.null == nil ? scalar.string : ""
  }

  /// Reads the list of layers under `key`.
  ///
  /// - Parameter branch: position of the list within the layer.
  mutating func layers(
    _ key: String, branch: [Int] = []
  ) throws(NetworkDescriptionError) -> [LayerDescription]? {
    guard let node = take(key) else { return nil }
    guard case .sequence(let entries) = node else {
      throw error(node, "\(key): expected a list of layers, got \(node.summary)")
    }
    var layers: [LayerDescription] = []
    for (index, entry) in entries.enumerated() {
      layers.append(try LayerDescription(entry, at: position + branch + [index], lines: &lines))
    }
    return layers
  }

  /// Reads `init: kaiming-normal` and `init-scale: 0.5`.
  mutating func initialization() throws(NetworkDescriptionError) -> Initialization? {
    let node = take("init")
    let hasScale = unread.contains { $0.key == "init-scale" }
    let scale = try number("init-scale", default: 1)
    guard let node else {
      guard hasScale else { return nil }
      throw NetworkDescriptionError(
        line: line, layer: layer, layerName: name, "init-scale applies only together with init")
    }
    guard let scheme = node.string.flatMap({ Initialization.Scheme(rawValue: $0) }) else {
      let known = Initialization.Scheme.allCases.map(\.rawValue).joined(separator: ", ")
      throw error(node, "init: expected one of \(known), got \(node.summary)")
    }
    return Initialization(scheme, scale: scale)
  }

  func checkAllRead() throws(NetworkDescriptionError) {
    guard let (key, value) = unread.first else { return }
    throw error(
      value, "unknown key \(Node(key).summary); expected \(known.joined(separator: ", "))")
  }

  /// Takes the value under `key`; null counts as absent.
  private mutating func take(_ key: String) -> Node? {
    takeAny(key).flatMap { $0.null == nil ? $0 : nil }
  }

  private mutating func takeAny(_ key: String) -> Node? {
    known.append(key)
    return unread.firstIndex { $0.key == key }.map { unread.remove(at: $0).value }
  }

  private func error(_ node: Node, _ problem: String) -> NetworkDescriptionError {
    NetworkDescriptionError(
      line: node.mark?.line ?? line, layer: layer, layerName: name, problem)
  }
}
