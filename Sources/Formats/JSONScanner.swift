/// Reads JSON text strictly and in order; the caller requests each value by its expected type. A
/// safetensors header has only one possible structure.
///
/// Format: RFC 8259. The only supported numbers are integers from 0 to `Int.max`.
struct JSONScanner {
  private let text: [UInt8]
  private let file: String
  private let origin: Int
  private var position = 0

  /// Starts at the beginning of the text.
  ///
  /// - Parameters:
  ///   - text: valid UTF-8.
  ///   - origin: the text's start in the file; messages count bytes from the file's start.
  init(_ text: [UInt8], file: String, origin: Int) {
    self.text = text
    self.file = file
    self.origin = origin
  }

  /// Reads an object and calls `member` for each value; keys must be unique.
  mutating func object(
    _ member: (inout JSONScanner, _ key: String) throws(InputError) -> Void
  ) throws(InputError) {
    var keys: Set<String> = []
    try list(from: UInt8(ascii: "{"), to: UInt8(ascii: "}")) { scanner throws(InputError) in
      let start = scanner.nextPosition()
      let key = try scanner.string()
      guard keys.insert(key).inserted else {
        throw scanner.error("the key '\(key)' occurs twice", at: start)
      }
      try scanner.take(UInt8(ascii: ":"))
      try member(&scanner, key)
    }
  }

  /// Reads an array of integers.
  mutating func integers() throws(InputError) -> [Int] {
    var integers: [Int] = []
    try list(from: UInt8(ascii: "["), to: UInt8(ascii: "]")) { scanner throws(InputError) in
      integers.append(try scanner.integer())
    }
    return integers
  }

  mutating func string() throws(InputError) -> String {
    try take(UInt8(ascii: "\""))
    var characters: [UInt8] = []
    while position < text.count {
      let byte = text[position]
      position += 1
      switch byte {
      case UInt8(ascii: "\""): return String(decoding: characters, as: UTF8.self)
      case UInt8(ascii: "\\"): characters += UTF8.encode(try escape())!
      case 0..<0x20: throw error("control character in a string", at: position - 1)
      default: characters.append(byte)
      }
    }
    throw error("the text ends within a string", at: position)
  }

  /// Checks that only white space is left.
  mutating func end() throws(InputError) {
    guard nextPosition() == text.count else {
      throw error("text follows the end of the header", at: position)
    }
  }

  func error(_ problem: String, at position: Int) -> InputError {
    InputError(file, "byte \(origin + position): \(problem)")
  }

  /// Returns the position of the next character that is not white space.
  mutating func nextPosition() -> Int {
    while position < text.count, [0x20, 0x09, 0x0a, 0x0d].contains(text[position]) {
      position += 1
    }
    return position
  }

  private mutating func list(
    from opening: UInt8, to closing: UInt8,
    _ element: (inout JSONScanner) throws(InputError) -> Void
  ) throws(InputError) {
    try take(opening)
    if skip(closing) { return }
    repeat { try element(&self) } while skip(UInt8(ascii: ","))
    try take(closing)
  }

  private mutating func integer() throws(InputError) -> Int {
    let start = nextPosition()
    while position < text.count, (0x30...0x39).contains(text[position]) { position += 1 }
    let digits = text[start..<position]
    guard !digits.isEmpty else { throw unexpected("a number of 0 or more") }
    guard digits.count == 1 || digits.first != UInt8(ascii: "0") else {
      throw error("a number starts with 0", at: start)
    }
    guard let value = Int(String(decoding: digits, as: UTF8.self)) else {
      throw error("a number exceeds \(Int.max)", at: start)
    }
    return value
  }

  /// Reads the rest of an escape after its backslash.
  private mutating func escape() throws(InputError) -> Unicode.Scalar {
    let start = position - 1
    guard position < text.count else { throw error("the text ends within a string", at: position) }
    let letter = text[position]
    position += 1
    switch letter {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): return Unicode.Scalar(letter)
    case UInt8(ascii: "b"): return "\u{8}"
    case UInt8(ascii: "f"): return "\u{c}"
    case UInt8(ascii: "n"): return "\n"
    case UInt8(ascii: "r"): return "\r"
    case UInt8(ascii: "t"): return "\t"
    case UInt8(ascii: "u"): break
    default: throw error("unknown escape in a string", at: start)
    }
    let high = try codeUnit()
    if let scalar = Unicode.Scalar(high) { return scalar }
    guard UTF16.isLeadSurrogate(high), text[position...].starts(with: Array("\\u".utf8)) else {
      throw error("half of a surrogate pair in a string", at: start)
    }
    position += 2
    let low = try codeUnit()
    guard UTF16.isTrailSurrogate(low) else {
      throw error("half of a surrogate pair in a string", at: start)
    }
    return UTF16.decode(UTF16.EncodedScalar([high, low]))
  }

  private mutating func codeUnit() throws(InputError) -> UInt16 {
    let digits = text[position...].prefix(4)
    guard digits.count == 4, digits.allSatisfy({ Character(Unicode.Scalar($0)).isHexDigit }),
      let unit = UInt16(String(decoding: digits, as: UTF8.self), radix: 16)
    else { throw error("\\u needs four hexadecimal digits", at: position) }
    position += 4
    return unit
  }

  private mutating func take(_ character: UInt8) throws(InputError) {
    guard skip(character) else { throw unexpected("'\(Character(Unicode.Scalar(character)))'") }
  }

  private mutating func skip(_ character: UInt8) -> Bool {
    guard nextPosition() < text.count, text[position] == character else { return false }
    position += 1
    return true
  }

  private func unexpected(_ expected: String) -> InputError {
    guard position < text.count else {
      return error("the text ends: expected \(expected)", at: position)
    }
    let byte = text[position]
    let got =
      (0x21..<0x7f).contains(byte)
      ? "'\(Character(Unicode.Scalar(byte)))'" : "byte 0x\(String(byte, radix: 16))"
    return error("expected \(expected), got \(got)", at: position)
  }
}
