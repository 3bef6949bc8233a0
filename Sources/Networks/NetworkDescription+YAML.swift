import Yams

extension NetworkDescription {
  /// Reads the text of a model file in YAML, or in JSON, which is valid YAML:
  ///
  /// ```yaml
  /// input: [1, 8, 8]
  /// layers:
  ///   - conv2d: {in: 1, out: 6, kernel: 3, padding: 1}
  ///   - relu
  ///   - max-pool2d: {kernel: 2}
  ///   - flatten
  ///   - linear: {in: 96, out: 10}
  /// ```
  ///
  /// - Parameter file: file name for messages.
  /// - Throws: `NetworkDescriptionError` naming the file and, if known, the line and the layer.
  public init(yaml: String, file: String) throws(NetworkDescriptionError) {
    var lineOfInput: Int?
    var lineOfLayers: Int?
    var lines: [[Int]: Int] = [:]
    do throws(NetworkDescriptionError) {
      let root = try Self.root(of: yaml)
      guard case .mapping(let pairs) = root else {
        throw NetworkDescriptionError(
          file: file, line: root.mark?.line,
          "expected the keys input and layers, got \(root.summary)")
      }
      var input: [Int]?
      var layers: [LayerDescription]?
      for (key, value) in pairs {
        switch key.string {
        case "input":
          lineOfInput = value.mark?.line
          input = try Self.sizes(value)
        case "layers":
          lineOfLayers = key.mark?.line
          guard case .sequence(let entries) = value else {
            throw NetworkDescriptionError(
              file: file, line: value.mark?.line,
              "layers: expected a list of layers, got \(value.summary)")
          }
          layers = []
          for (index, entry) in entries.enumerated() {
            layers!.append(try LayerDescription(entry, at: [index], lines: &lines))
          }
        default:
          throw NetworkDescriptionError(
            file: file, line: key.mark?.line,
            "unknown key \(key.summary); expected input and layers")
        }
      }
      guard let input else { throw NetworkDescriptionError("the key input is missing") }
      guard let layers else { throw NetworkDescriptionError("the key layers is missing") }
      try self.init(input: input, layers: layers)
    } catch {
      // Problems of a whole layer, and of shapes, are reported at the line where the layer begins.
      let layerLine = lines[error.position]
      let keyLine = error.problem.hasPrefix("input") ? lineOfInput : lineOfLayers
      throw error.at(error.line ?? layerLine ?? keyLine, of: file)
    }
  }

  private static func root(of yaml: String) throws(NetworkDescriptionError) -> Node {
    // Nested aliases expand without bound, and no model needs them.
    if yaml.utf8.contains(UInt8(ascii: "&")), yaml.utf8.contains(UInt8(ascii: "*")) {
      throw NetworkDescriptionError("contains & and *: YAML anchors and aliases are not supported")
    }
    // A byte order mark may begin the text (YAML 1.2, section 5.2); libyaml recognises it only in
    // bytes.
    let text =
      yaml.unicodeScalars.first == "\u{FEFF}" ? String(yaml.unicodeScalars.dropFirst()) : yaml
    do {
      guard let root = try Yams.compose(yaml: text, .default, .default, .utf8) else {
        throw NetworkDescriptionError("is empty; expected the keys input and layers")
      }
      return root
    } catch let error as NetworkDescriptionError {
      throw error
    } catch let error as YamlError {
      throw NetworkDescriptionError(error)
    } catch {
      throw NetworkDescriptionError("is not YAML: \(error)")
    }
  }

  private static func sizes(_ node: Node) throws(NetworkDescriptionError) -> [Int] {
    let expected = "input: expected a list of positive integers such as [1, 28, 28], got "
    guard case .sequence(let entries) = node else {
      throw NetworkDescriptionError(line: node.mark?.line, expected + node.summary)
    }
    var sizes: [Int] = []
    for entry in entries {
      guard let size = entry.plainText.flatMap({ Int($0) }) else {
        throw NetworkDescriptionError(line: entry.mark?.line, expected + entry.summary + " in it")
      }
      sizes.append(size)
    }
    return sizes
  }
}

extension NetworkDescriptionError {
  /// Converts the parser's error to one line.
  init(_ error: YamlError) {
    switch error {
    case .scanner(_, let problem, let mark, _), .parser(_, let problem, let mark, _),
      .composer(_, let problem, let mark, _):
      self.init(line: mark.line, "is not YAML: \(problem)")
    case .reader(let problem, _, _, _):
      self.init("is not YAML: \(problem)")
    case .duplicatedKeysInMapping(let duplicates, let context):
      let keys = duplicates.map { "'\($0)'" }.joined(separator: ", ")
      self.init(line: context.mark.line, "key given twice: \(keys)")
    default:
      self.init("is not YAML")
    }
  }
}

extension Node {
  /// Text of an unquoted scalar; nil for all other nodes.
  var plainText: String? {
    guard case .scalar(let scalar) = self, scalar.style == .plain || scalar.style == .any else {
      return nil
    }
    return scalar.string
  }

  /// Short description of the node, for messages.
  var summary: String {
    switch self {
    case .scalar(let scalar):
      scalar.string.isEmpty
        ? "nothing" : "'\(scalar.string.prefix(40))\(scalar.string.count > 40 ? "…" : "")'"
    case .mapping: "a mapping"
    case .sequence(let entries): entries.isEmpty ? "an empty list" : "a list"
    case .alias: "an alias"
    }
  }
}

extension Bool {
  /// Reads a boolean in any of YAML 1.1's words, which some tools still write.
  ///
  /// - Returns: nil unless the text is true, yes, on, false, no or off, in lower case, in upper
  ///   case or capitalised. (https://yaml.org/type/bool.html, without its y and n.)
  package init?(yaml text: String) {
    let word = text.lowercased()
    guard [word, word.uppercased(), word.prefix(1).uppercased() + word.dropFirst()].contains(text)
    else { return nil }
    switch word {
    case "true", "yes", "on": self = true
    case "false", "no", "off": self = false
    default: return nil
    }
  }
}
