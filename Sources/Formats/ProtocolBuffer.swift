/// A message as Protocol Buffers encode it, field by field.
///
/// protobuf.dev/programming-guides/encoding.
struct ProtocolBuffer {
  private(set) var bytes: [UInt8] = []

  /// Wire type 0: a number ≥ 0, seven bits a byte, the lowest first.
  mutating func add(field: Int, number: Int) {
    add(UInt64(field) << 3)
    add(UInt64(number))
  }

  /// Wire type 1.
  mutating func add(field: Int, double: Double) {
    add(UInt64(field) << 3 | 1)
    withUnsafeBytes(of: double.bitPattern.littleEndian) { bytes += $0 }
  }

  /// Wire type 2: a text.
  mutating func add(field: Int, text: String) { add(field: field, content: Array(text.utf8)) }

  /// Wire type 2: another message.
  mutating func add(field: Int, message: ProtocolBuffer) {
    add(field: field, content: message.bytes)
  }

  /// Wire type 5.
  mutating func add(field: Int, float: Float) {
    add(UInt64(field) << 3 | 5)
    withUnsafeBytes(of: float.bitPattern.littleEndian) { bytes += $0 }
  }

  private mutating func add(field: Int, content: [UInt8]) {
    add(UInt64(field) << 3 | 2)
    add(UInt64(content.count))
    bytes += content
  }

  private mutating func add(_ number: UInt64) {
    var rest = number
    while rest >= 0x80 {
      bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
      rest >>= 7
    }
    bytes.append(UInt8(rest))
  }
}
