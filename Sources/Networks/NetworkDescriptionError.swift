/// What is wrong with a description of a network, and where.
public struct NetworkDescriptionError: Error, Equatable, CustomStringConvertible {
  /// The model file and the line in it, where the description comes from one.
  public let file: String?
  /// In the file, from 1.
  public let line: Int?
  /// The layer as in the names of its tensors: its index in the list, from 0, or its name.
  public let layer: String?
  /// What kind of layer it is, where that is known.
  public let layerName: String?
  /// The layer's indices in the list of layers and in those that it is in.
  let position: [Int]
  /// What was given and what was expected.
  public let problem: String

  init(
    file: String? = nil, line: Int? = nil, layer: String? = nil,
    layerName: String? = nil, position: [Int] = [], _ problem: String
  ) {
    self.file = file
    self.line = line
    self.layer = layer
    self.layerName = layerName
    self.position = position
    self.problem = problem
  }

  /// `model.yaml:9: layer 4 (linear): expects 96 inputs, layer 3 (flatten) gives 72`
  public var description: String {
    var text = ""
    if let file { text += line.map { "\(file):\($0): " } ?? "\(file): " }
    if let layer { text += layerName.map { "layer \(layer) (\($0)): " } ?? "layer \(layer): " }
    // Names and values come from the file: in one line, whatever is in them.
    return (text + problem).unicodeScalars.reduce(into: "") { line, scalar in
      let isControl = scalar.value < 0x20 || (0x7f..<0xa0).contains(scalar.value)
      line += isControl ? scalar.escaped(asASCII: true) : String(scalar)
    }
  }

  /// The same problem, at a line of a file.
  func at(_ line: Int?, of file: String) -> NetworkDescriptionError {
    NetworkDescriptionError(
      file: file, line: line, layer: layer, layerName: layerName, position: position, problem)
  }
}
