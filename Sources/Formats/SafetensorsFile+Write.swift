import LinearAlgebra

extension SafetensorsFile {
  /// A tensor to write, with its values in row-major order.
  public typealias NamedTensor<Element: Scalar> = (
    name: String, shape: [Int], values: UnsafeBufferPointer<Element>
  )

  /// Writes tensors of a scalar, F32 or F64, in the given order.
  ///
  /// The data start at a multiple of 64 bytes, and the same input gives the same bytes. The file
  /// appears under its name only when it is complete and on the disk.
  ///
  /// - Parameter metadata: text about the file, written in the order of its keys' bytes.
  /// - Throws: `InputError` with the system's reason; an existing file under the name is unchanged.
  public static func write<Element: Scalar>(
    _ tensors: [NamedTensor<Element>], metadata: [String: String] = [:], to path: String
  ) throws(InputError) {
    let header = try header(tensors, metadata: metadata, file: path)
    try AtomicFile.write(to: path) { file throws(InputError) in
      try write(header, tensors, to: file)
    }
  }

  /// Writes tensors of a scalar, F32 or F64, in the given order.
  public static func write<Element: Scalar>(
    _ tensors: [NamedTensor<Element>], to file: OutputFile
  ) throws(InputError) {
    try write(header(tensors, metadata: [:], file: file.path), tensors, to: file)
  }

  private static func write<Element: Scalar>(
    _ header: [UInt8], _ tensors: [NamedTensor<Element>], to file: OutputFile
  ) throws(InputError) {
    try file.write(header)
    for tensor in tensors { try file.write(UnsafeRawBufferPointer(tensor.values)) }
  }

  private static func header<Element: Scalar>(
    _ tensors: [NamedTensor<Element>], metadata: [String: String], file: String
  ) throws(InputError) -> [UInt8] {
    for (name, shape, values) in tensors {
      precondition(
        product(shape) == values.count,
        "tensor '\(name)' of shape \(shape) with \(values.count) values")
    }
    return try header(
      tensors.map { ($0.name, TensorType(Element.self), $0.shape) }, metadata: metadata, file: file)
  }

  /// Writes tensors with one byte per element in the given order.
  ///
  /// The file appears under its name only when it is complete and on the disk.
  ///
  /// - Throws: `InputError` with the system's reason; an existing file under the name is unchanged.
  public static func write(
    _ tensors: [(name: String, type: TensorType, shape: [Int], bytes: [UInt8])], to path: String
  ) throws(InputError) {
    for (name, type, shape, bytes) in tensors {
      precondition(
        type.byteCount == 1 && product(shape) == bytes.count,
        "tensor '\(name)' of shape \(shape) with \(bytes.count) bytes")
    }
    let header = try header(tensors.map { ($0.name, $0.type, $0.shape) }, metadata: [:], file: path)
    try AtomicFile.write(to: path) { file throws(InputError) in
      try file.write(header)
      for tensor in tensors { try file.write(tensor.bytes) }
    }
  }

  /// Writes tensors in the given order, with only one at a time in memory.
  ///
  /// - Parameter fill: writes the bytes of the tensor with the given index to the memory.
  public static func write(
    _ tensors: [(name: String, type: TensorType, shape: [Int])], metadata: [String: String] = [:],
    to file: OutputFile,
    fill: (Int, UnsafeMutableRawBufferPointer) throws(InputError) -> Void
  ) throws(InputError) {
    try file.write(header(tensors, metadata: metadata, file: file.path))
    let sizes = tensors.map { $0.shape.reduce($0.type.byteCount, *) }
    let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: sizes.max() ?? 0, alignment: 64)
    defer { memory.deallocate() }
    for (index, size) in sizes.enumerated() {
      let piece = UnsafeMutableRawBufferPointer(rebasing: memory[..<size])
      try fill(index, piece)
      try file.write(UnsafeRawBufferPointer(piece))
    }
  }

  /// Returns the header with its length, padded so that the data begin at a multiple of 64 bytes.
  private static func header(
    _ tensors: [(name: String, type: TensorType, shape: [Int])], metadata: [String: String],
    file: String
  ) throws(InputError) -> [UInt8] {
    var header: [UInt8] = Array(headerText(tensors, metadata: metadata).utf8)
    header += Array(repeating: UInt8(ascii: " "), count: (64 - (8 + header.count) % 64) % 64)
    guard header.count <= SafetensorsHeader.largestSize else {
      throw InputError(
        file, "the header is too long",
        expected: "at most \(SafetensorsHeader.largestSize) bytes", got: "\(header.count)")
    }
    return withUnsafeBytes(of: UInt64(header.count).littleEndian) { Array($0) } + header
  }

  private static func headerText(
    _ tensors: [(name: String, type: TensorType, shape: [Int])], metadata: [String: String]
  ) -> String {
    var members: [String] = []
    if !metadata.isEmpty {
      let texts = metadata.sorted { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }
        .map { "\(quoted($0.key)):\(quoted($0.value))" }
      members.append("\(quoted(SafetensorsHeader.metadataKey)):{\(texts.joined(separator: ","))}")
    }
    var names: Set<String> = [SafetensorsHeader.metadataKey]
    var offset = 0
    for (name, type, shape) in tensors {
      precondition(names.insert(name).inserted, "a second tensor '\(name)'")
      precondition(shape.allSatisfy { $0 >= 0 }, "tensor '\(name)' of shape \(shape)")
      let end = offset + shape.reduce(type.byteCount, *)
      let dimensions = shape.map(String.init).joined(separator: ",")
      members.append(
        "\(quoted(name)):{\"dtype\":\"\(type.rawValue)\","
          + "\"shape\":[\(dimensions)],\"data_offsets\":[\(offset),\(end)]}")
      offset = end
    }
    return "{\(members.joined(separator: ","))}"
  }

  /// Returns a JSON string.
  private static func quoted(_ text: String) -> String {
    var quoted = "\""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\"", "\\": quoted += "\\\(scalar)"
      case "\0"..<" ":
        let digits = String(scalar.value, radix: 16)
        quoted += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
      default: quoted.unicodeScalars.append(scalar)
      }
    }
    return quoted + "\""
  }
}
