/// Reads an array of unsigned bytes in the IDX format, gzip-compressed or not.
///
/// A file begins with two zero bytes, the element type (0x08, the only supported one) and the
/// number of dimensions. Each dimension follows as a big-endian 32-bit integer, then the elements,
/// last dimension fastest. Y. LeCun, C. Cortes and C. Burges, "The MNIST database of handwritten
/// digits".
package struct IDXArray: Sendable {
  /// The source of the array, for messages.
  package let file: String
  /// Dimensions, the last one varying fastest.
  package let shape: [Int]
  /// Elements in row-major order, shape [shape[0], shape[1], …].
  package let values: [UInt8]

  /// Reads a file. Inflates it if it starts with gzip's mark, whatever its name.
  ///
  /// - Parameter rank: required number of dimensions: 3 for images, 1 for labels.
  /// - Throws: `InputError` naming the file, what was expected and what was found.
  package init(path: String, rank: Int) throws(InputError) {
    let input = try InputFile(path)
    try self.init(bytes: try input.read(0..<input.count), file: path, rank: rank)
  }

  /// Reads a file's bytes from memory.
  package init(bytes: [UInt8], file: String, rank: Int) throws(InputError) {
    self.file = file
    let headerSize = Self.headerSize(rank)
    if bytes.starts(with: GzipReader.magic) {
      (shape, values) = try bytes.withUnsafeBufferPointer { compressed throws(InputError) in
        var reader = try GzipReader(UnsafeRawBufferPointer(compressed), file: file)
        let header = try reader.read(headerSize)
        let (shape, count) = try Self.shape(header, size: .max, file: file, rank: rank)
        let values = try reader.read(count)
        try Self.check(count: values.count, expected: count, file: file)
        try reader.finish()
        return (shape, values)
      }
    } else {
      let (shape, count) = try Self.shape(bytes, size: bytes.count, file: file, rank: rank)
      try Self.check(count: bytes.count - headerSize, expected: count, file: file)
      self.shape = shape
      values = Array(bytes[headerSize...])
    }
  }

  private static func headerSize(_ rank: Int) -> Int { 4 + 4 * rank }

  /// Returns the shape in a header, and the number of elements.
  ///
  /// - Parameters:
  ///   - start: at least the header.
  ///   - size: size of the whole array with its header.
  private static func shape(
    _ start: some Collection<UInt8>, size: Int, file: String, rank: Int
  ) throws(InputError) -> (shape: [Int], count: Int) {
    let header = Array(start.prefix(headerSize(rank)))
    guard header.count >= 4 else {
      throw InputError(
        file, "too short for an IDX file", expected: "at least 4 bytes", got: "\(header.count)")
    }
    guard header[0] == 0 && header[1] == 0 else {
      try FileFormat.refuse(
        start, size: size, of: file, for: .numbers, expected: "an IDX file, plain or gzip")
      throw InputError(
        file, "not an IDX file", expected: "first bytes \(hex([0, 0, 8, UInt8(rank)]))",
        got: "\(hex(header.prefix(4)))")
    }
    guard header[2] == 8 else {
      throw InputError(
        file, "unsupported IDX element type", expected: "08 (unsigned bytes)",
        got: "\(hex([header[2]]))")
    }
    guard header[3] == UInt8(rank) else {
      throw InputError(
        file, "wrong kind of IDX file", expected: "\(kind(rank))", got: "\(kind(Int(header[3])))")
    }
    guard header.count == headerSize(rank) else {
      throw InputError(
        file, "the IDX header ends early", expected: "\(headerSize(rank)) bytes",
        got: "\(header.count) bytes")
    }
    let shape = stride(from: 4, to: header.count, by: 4).map { offset in
      header[offset..<offset + 4].reduce(0) { $0 << 8 | Int($1) }
    }
    guard let count = product(shape) else {
      throw InputError(file, "its dimensions \(shape) overflow a 64-bit size")
    }
    return (shape, count)
  }

  private static func check(count: Int, expected: Int, file: String) throws(InputError) {
    guard count == expected else {
      throw InputError(
        file, count < expected ? "too short" : "too long",
        expected: "\(expected) bytes after its header", got: "\(count)")
    }
  }

  private static func kind(_ rank: Int) -> String {
    let noun = rank == 1 ? " (labels)" : rank == 3 ? " (images)" : ""
    return "\(rank) dimension\(rank == 1 ? "" : "s")\(noun)"
  }
}

/// Formats bytes for a message: 00 08 ff.
func hex(_ bytes: some Sequence<UInt8>) -> String {
  bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined(separator: " ")
}

/// Returns the product of a shape's dimensions; nil if it overflows `Int`.
func product(_ shape: [Int]) -> Int? {
  var product = 1
  for dimension in shape {
    let (next, overflow) = product.multipliedReportingOverflow(by: dimension)
    guard !overflow else { return nil }
    product = next
  }
  return product
}
