/// Lists the supported element types of NPY files.
package enum NPYType: String, CaseIterable {
  case uint8 = "|u1"
  case int8 = "|i1"
  case uint16 = "<u2"
  case int16 = "<i2"
  case uint32 = "<u4"
  case int32 = "<i4"
  case uint64 = "<u8"
  case int64 = "<i8"
  case float16 = "<f2"
  case float32 = "<f4"
  case float64 = "<f8"

  /// Size of one element in bytes.
  var byteCount: Int {
    switch self {
    case .uint8, .int8: 1
    case .uint16, .int16, .float16: 2
    case .uint32, .int32, .float32: 4
    case .uint64, .int64, .float64: 8
    }
  }

  package var isInteger: Bool { floatingPoint == nil }

  /// The same type in safetensors files, for floating-point types.
  var floatingPoint: TensorType? {
    switch self {
    case .float16: .float16
    case .float32: .float32
    case .float64: .float64
    default: nil
    }
  }
}

/// Parses the header of an NPY file: a Python dictionary of the element type, the order and the
/// shape.
///
/// It accepts only NumPy's own form: the keys 'descr', 'fortran_order' and 'shape', once each.
/// Format, versions 1.0 to 3.0: NumPy's documentation, numpy.lib.format.
package struct NPYHeader: Equatable {
  package static let magic = [0x93] + Array("NUMPY".utf8)
  /// The longest accepted header in bytes; NumPy itself writes a few hundred.
  static let largestSize = 100_000_000

  package let type: NPYType
  package let shape: [Int]

  /// Parses a header.
  ///
  /// - Parameters:
  ///   - text: the dictionary and its padding.
  ///   - origin: the text's start in the file; messages count bytes from the file's start.
  package init(_ text: [UInt8], file: String, origin: Int) throws(InputError) {
    var scanner = PythonScanner(text, file: file, origin: origin)
    var (descr, fortranOrder, shape): (String?, Bool?, [Int]?) = (nil, nil, nil)
    try scanner.take("{")
    while try scanner.next() != UInt8(ascii: "}") {
      let start = scanner.position
      let key = try scanner.string()
      try scanner.take(":")
      switch key {
      case "descr" where descr == nil:
        guard try scanner.next() != UInt8(ascii: "[") else {
          throw InputError(
            file, "holds records of several fields", expected: "an array of numbers")
        }
        descr = try scanner.string()
      case "fortran_order" where fortranOrder == nil: fortranOrder = try scanner.bool()
      case "shape" where shape == nil: shape = try scanner.tuple()
      default:
        throw scanner.error(
          "the key '\(key)' is unknown or occurs twice", at: start)
      }
      if try scanner.next() == UInt8(ascii: ",") { try scanner.take(",") } else { break }
    }
    try scanner.take("}")
    try scanner.end()
    guard let descr, let fortranOrder, let shape else {
      let missing = descr == nil ? "descr" : fortranOrder == nil ? "fortran_order" : "shape"
      throw InputError(file, "the NPY header has no '\(missing)'")
    }
    guard let type = NPYType(rawValue: descr) else {
      throw InputError(
        file, "unsupported element type",
        expected: "\(NPYType.allCases.map(\.rawValue).joined(separator: ", "))", got: "'\(descr)'")
    }
    guard !fortranOrder else {
      throw InputError(
        file, "is stored in Fortran order", expected: "C order: numpy.ascontiguousarray(array)")
    }
    guard product(shape + [type.byteCount]) != nil else {
      throw InputError(file, "its shape \(shape) overflows a 64-bit size")
    }
    self.type = type
    self.shape = shape
  }
}

/// Reads the Python literals of an NPY header in order.
private struct PythonScanner {
  private let text: [UInt8]
  private let file: String
  private let origin: Int
  private(set) var position = 0

  init(_ text: [UInt8], file: String, origin: Int) {
    self.text = text
    self.file = file
    self.origin = origin
  }

  /// Returns the next character that is not white space, without consuming it.
  package mutating func next() throws(InputError) -> UInt8 {
    while position < text.count, [0x20, 0x0A, 0x0D, 0x09].contains(text[position]) { position += 1 }
    guard position < text.count else { throw error("the NPY header ends early", at: position) }
    return text[position]
  }

  mutating func take(_ character: Character) throws(InputError) {
    guard try next() == character.asciiValue else {
      throw error("expected '\(character)' in the NPY header", at: position)
    }
    position += 1
  }

  /// Reads a string in single or double quotes, without escapes.
  mutating func string() throws(InputError) -> String {
    let quote = try next()
    guard quote == UInt8(ascii: "'") || quote == UInt8(ascii: "\"") else {
      throw error("expected a string in the NPY header", at: position)
    }
    let start = position + 1
    guard let end = text[start...].firstIndex(of: quote) else {
      throw error("a string in the NPY header has no end", at: position)
    }
    if let place = text[start..<end].firstIndex(where: {
      $0 < 0x20 || $0 >= 0x7F || $0 == UInt8(ascii: "\\")
    }) {
      throw error("a string in the NPY header is not plain ASCII", at: place)
    }
    position = end + 1
    return String(decoding: text[start..<end], as: UTF8.self)
  }

  mutating func bool() throws(InputError) -> Bool {
    _ = try next()
    for (word, value) in [("True", true), ("False", false)]
    where text[position...].starts(with: word.utf8) {
      position += word.utf8.count
      return value
    }
    throw error("expected True or False in the NPY header", at: position)
  }

  /// Reads a tuple of sizes: (), (3,), (3, 4).
  mutating func tuple() throws(InputError) -> [Int] {
    var sizes: [Int] = []
    try take("(")
    while try next() != UInt8(ascii: ")") {
      sizes.append(try size())
      if try next() == UInt8(ascii: ",") { try take(",") } else { break }
    }
    try take(")")
    return sizes
  }

  private mutating func size() throws(InputError) -> Int {
    let digits = text[position...].prefix { $0 >= 0x30 && $0 <= 0x39 }
    guard let size = Int(String(decoding: digits, as: UTF8.self)) else {
      throw error("expected a size in the NPY header", at: position)
    }
    position = digits.endIndex
    // Python 2 wrote long integers as 3L.
    if position < text.count, text[position] == UInt8(ascii: "L") { position += 1 }
    return size
  }

  /// Checks that only padding follows.
  mutating func end() throws(InputError) {
    guard let rest = text[position...].firstIndex(where: { $0 != 0x20 && $0 != 0x0A }) else {
      return
    }
    throw error("text after the NPY header's dictionary", at: rest)
  }

  func error(_ problem: String, at position: Int) -> InputError {
    InputError(file, "byte \(origin + position): \(problem)")
  }
}
