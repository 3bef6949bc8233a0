package func littleEndian(_ number: some FixedWidthInteger) -> [UInt8] {
  withUnsafeBytes(of: number.littleEndian) { Array($0) }
}

/// Returns an IDX file of unsigned bytes.
package func idxBytes(shape: [Int], values: [UInt8], type: UInt8 = 8) -> [UInt8] {
  [0, 0, type, UInt8(shape.count)]
    + shape.flatMap { size in stride(from: 24, through: 0, by: -8).map { UInt8(size >> $0 & 255) } }
    + values
}

/// Returns a gzip file that stores `bytes` uncompressed; RFC 1951 and RFC 1952.
package func gzipped(_ bytes: [UInt8]) -> [UInt8] {
  var file: [UInt8] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255]
  var start = 0
  repeat {
    let end = min(start + 65535, bytes.count)
    let length = UInt16(end - start)
    file.append(end == bytes.count ? 1 : 0)
    file += littleEndian(length) + littleEndian(~length) + bytes[start..<end]
    start = end
  } while start < bytes.count
  return file + littleEndian(checkSum(bytes))
    + littleEndian(UInt32(truncatingIfNeeded: bytes.count))
}

/// Returns the CRC-32 of the bytes.
private func checkSum(_ bytes: [UInt8]) -> UInt32 {
  ~bytes.reduce(~0) { sum, byte in
    (0..<8).reduce(sum ^ UInt32(byte)) { sum, _ in sum >> 1 ^ (sum & 1 == 1 ? 0xEDB8_8320 : 0) }
  }
}
