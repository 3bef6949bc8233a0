/// Parses the header of a safetensors file: the tensors and their positions.
///
/// The tensors must fill the data without gap or overlap, and each length must match its shape.
/// Format: huggingface.co/docs/safetensors.
struct SafetensorsHeader {
  /// The longest header in bytes that readers of the format accept.
  static let largestSize = 100_000_000
  /// The key of the text about the file.
  static let metadataKey = "__metadata__"

  /// The tensors in the order of their data.
  private(set) var tensors: [TensorEntry] = []
  private(set) var metadata: [String: String] = [:]

  /// Parses a header.
  ///
  /// - Parameters:
  ///   - text: the header alone, padding included.
  ///   - dataSize: number of bytes after the header in the file.
  package init(_ text: [UInt8], dataSize: Int, file: String) throws(InputError) {
    let origin = 8
    guard String(validating: text, as: UTF8.self) != nil else {
      throw InputError(
        file, "byte \(origin + Self.validPrefix(of: text)): the header is not valid UTF-8")
    }
    guard text.first == UInt8(ascii: "{") else {
      throw InputError(file, "byte \(origin): the header does not start with '{'")
    }
    var tensors: [TensorEntry] = []
    var metadata: [String: String] = [:]
    var scanner = JSONScanner(text, file: file, origin: origin)
    try scanner.object { scanner, name throws(InputError) in
      if name == Self.metadataKey {
        try scanner.object { scanner, key throws(InputError) in
          metadata[key] = try scanner.string()
        }
      } else {
        tensors.append(try Self.entry(name, from: &scanner, file: file))
      }
    }
    try scanner.end()
    // Equal ranges are empty; they keep their order in the header.
    let order = tensors.indices.sorted {
      let (first, second) = (tensors[$0].range, tensors[$1].range)
      return (first.lowerBound, first.upperBound, $0) < (second.lowerBound, second.upperBound, $1)
    }
    self.tensors = order.map { tensors[$0] }
    self.metadata = metadata
    try checkRanges(dataSize: dataSize, file: file)
  }

  /// Returns the number of bytes before the first that is not UTF-8.
  private static func validPrefix(of text: [UInt8]) -> Int {
    var (parser, bytes, count) = (Unicode.UTF8.ForwardParser(), text.makeIterator(), 0)
    while case .valid(let scalar) = parser.parseScalar(from: &bytes) { count += scalar.count }
    return count
  }

  /// Reads the entry of one tensor; `scanner` is at its opening brace.
  private static func entry(
    _ name: String, from scanner: inout JSONScanner, file: String
  ) throws(InputError) -> TensorEntry {
    var dtype: TensorType?
    var shape: [Int]?
    var offsets: [Int]?
    try scanner.object { scanner, key throws(InputError) in
      let position = scanner.nextPosition()
      switch key {
      case "dtype":
        let text = try scanner.string()
        dtype = TensorType(rawValue: text)
        guard dtype != nil else {
          throw scanner.error("tensor '\(name)' has the unknown dtype '\(text)'", at: position)
        }
      case "shape": shape = try scanner.integers()
      case "data_offsets": offsets = try scanner.integers()
      default: throw scanner.error("tensor '\(name)' has the unknown key '\(key)'", at: position)
      }
    }
    guard let dtype, let shape, let offsets else {
      let missing = dtype == nil ? "dtype" : shape == nil ? "shape" : "data_offsets"
      throw InputError(file, "tensor '\(name)' has no \(missing)")
    }
    guard offsets.count == 2, offsets[0] <= offsets[1] else {
      throw InputError(
        file, "tensor '\(name)': wrong data_offsets", expected: "[begin, end], begin ≤ end",
        got: "\(offsets)")
    }
    guard let size = product(shape + [dtype.byteCount]) else {
      throw InputError(file, "tensor '\(name)': its shape \(shape) overflows a 64-bit size")
    }
    guard size == offsets[1] - offsets[0] else {
      throw InputError(
        file, "tensor '\(name)': wrong data_offsets \(offsets)",
        expected: "\(size) bytes (\(dtype.rawValue), shape \(shape))",
        got: "\(offsets[1] - offsets[0])")
    }
    return TensorEntry(name: name, dtype: dtype, shape: shape, range: offsets[0]..<offsets[1])
  }

  /// Checks that every byte of the data belongs to exactly one tensor.
  private func checkRanges(dataSize: Int, file: String) throws(InputError) {
    var end = 0
    for tensor in tensors {
      guard tensor.range.lowerBound == end else {
        let problem = tensor.range.lowerBound < end ? "overlaps" : "leaves a gap after"
        throw InputError(
          file, "tensor '\(tensor.name)' \(problem) the tensor before it",
          expected: "data from byte \(end)", got: "\(tensor.range.lowerBound)")
      }
      end = tensor.range.upperBound
    }
    guard end == dataSize else {
      throw InputError(
        file, end > dataSize ? "the data end early" : "data follow the last tensor",
        expected: "\(end) bytes after the header", got: "\(dataSize)")
    }
  }
}
