import LinearAlgebra

extension NPYFile {
  /// Writes an array of a scalar, `<f4` or `<f8`, in C order, as NumPy's `save` does. The file
  /// appears when it is complete.
  ///
  /// - Parameters:
  ///   - values: in row-major order.
  ///   - shape: any number of dimensions.
  /// - Throws: `InputError` with the system's reason; an existing file under the name is unchanged.
  public static func write<Element: Scalar>(
    _ values: [Element], shape: [Int], to path: String
  ) throws(InputError) {
    precondition(
      product(shape) == values.count, "an array of shape \(shape) with \(values.count) values")
    try AtomicFile.write(to: path) { file throws(InputError) in
      try file.write(
        NPYHeader.bytes(
          type: Element.holdsDoubles ? .float64 : .float32, shape: shape))
      try values.withUnsafeBufferPointer { values throws(InputError) in
        try file.write(UnsafeRawBufferPointer(values))
      }
    }
  }
}

extension NPYHeader {
  /// Returns a header of version 1.0 with its preamble, padded so that the elements begin at a
  /// multiple of 64 bytes.
  fileprivate static func bytes(type: NPYType, shape: [Int]) -> [UInt8] {
    let sizes = shape.map { "\($0)," }.joined(separator: " ")
    let text = Array(
      "{'descr': '\(type.rawValue)', 'fortran_order': False, 'shape': (\(sizes)), }".utf8)
    // The other bytes: the magic, two of the version, two of the length, and the newline.
    let padding = (64 - (magic.count + 4 + text.count + 1) % 64) % 64
    let length = UInt16(text.count + padding + 1).littleEndian
    return magic + [1, 0] + withUnsafeBytes(of: length) { Array($0) } + text
      + [UInt8](repeating: UInt8(ascii: " "), count: padding) + [UInt8(ascii: "\n")]
  }
}
