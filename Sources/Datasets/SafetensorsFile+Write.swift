extension SafetensorsFile {
  /// A tensor to write: its values in row-major order.
  public typealias NamedTensor = (
    name: String, shape: [Int], values: UnsafeBufferPointer<Float>
  )

  /// Writes single-precision tensors in the order given.
  ///
  /// The data start at a multiple of 64 bytes, and the same input makes the same bytes. The file
  /// appears under its name only when it is complete and on the disk.
  ///
  /// - Parameter metadata: text about the file, written in the order of its keys' bytes.
  /// - Throws: `DatasetError` with the system's reason; what was under the name before remains.
  public static func write(
    _ tensors: [NamedTensor], metadata: [String: String] = [:], to path: String
  ) throws(DatasetError) {
    var header: [UInt8] = Array(headerText(tensors, metadata: metadata).utf8)
    header += Array(repeating: UInt8(ascii: " "), count: (64 - (8 + header.count) % 64) % 64)
    guard header.count <= SafetensorsHeader.largestSize else {
      throw DatasetError(
        path, "the header is too long",
        expected: "at most \(SafetensorsHeader.largestSize) bytes", got: "\(header.count)")
    }
    let size = withUnsafeBytes(of: UInt64(header.count).littleEndian) { Array($0) }
    try (size + header).withUnsafeBufferPointer { start throws(DatasetError) in
      let pieces = [UnsafeRawBufferPointer(start)]
      try AtomicFile.write(pieces + tensors.map { UnsafeRawBufferPointer($0.values) }, to: path)
    }
  }

  private static func headerText(
    _ tensors: [NamedTensor], metadata: [String: String]
  ) -> String {
    var members: [String] = []
    if !metadata.isEmpty {
      let texts = metadata.sorted { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }
        .map { "\(quoted($0.key)):\(quoted($0.value))" }
      members.append("\(quoted(SafetensorsHeader.metadataKey)):{\(texts.joined(separator: ","))}")
    }
    var names: Set<String> = [SafetensorsHeader.metadataKey]
    var offset = 0
    for (name, shape, values) in tensors {
      precondition(names.insert(name).inserted, "a second tensor '\(name)'")
      precondition(
        shape.allSatisfy { $0 >= 0 } && product(shape) == values.count,
        "tensor '\(name)' of shape \(shape) with \(values.count) values")
      let end = offset + values.count * MemoryLayout<Float>.size
      let dimensions = shape.map(String.init).joined(separator: ",")
      members.append(
        "\(quoted(name)):{\"dtype\":\"\(TensorType.float32.rawValue)\","
          + "\"shape\":[\(dimensions)],\"data_offsets\":[\(offset),\(end)]}")
      offset = end
    }
    return "{\(members.joined(separator: ","))}"
  }

  /// A JSON string.
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
