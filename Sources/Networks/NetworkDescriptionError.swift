/// Reports what is wrong with a description of a network, and where.
public struct NetworkDescriptionError: Error, Equatable, CustomStringConvertible {
  /// Model file that the description comes from; nil if it comes from none.
  public let file: String?
  /// Line in the file, from 1.
  public let line: Int?
  /// Layer as in its tensors' names: its index in the list, from 0, or its name.
  public let layer: String?
  /// Kind of the layer, if known.
  public let layerName: String?
  /// Indices of the layer in its list and in the enclosing ones, outermost first.
  let position: [Int]
  /// Text that says what was given and what was expected.
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
    // Names and values come from the file; escaping control characters keeps them on one line.
    return (text + problem).unicodeScalars.reduce(into: "") { line, scalar in
      let isControl = scalar.value < 0x20 || (0x7f..<0xa0).contains(scalar.value)
      line += isControl ? scalar.escaped(asASCII: true) : String(scalar)
    }
  }

  /// Returns the same problem at a line of a file.
  func at(_ line: Int?, of file: String) -> NetworkDescriptionError {
    NetworkDescriptionError(
      file: file, line: line, layer: layer, layerName: layerName, position: position, problem)
  }
}
