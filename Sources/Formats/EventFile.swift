import Foundation

/// Writes a file of scalars for TensorBoard.
///
///     record    length (8 bytes), its masked CRC-32C, message, its masked CRC-32C
///     message   Event: 1 wall time, 2 step, 3 version, 5 Summary, 7 SessionLog
///     Summary   1 Value, repeated: 1 tag, 2 number
///
/// Sources: tensorflow/core/lib/io/record_writer.cc, tensorflow/core/util/event.proto and
/// tensorflow/core/framework/summary.proto.
package final class EventFile {
  private static let prefix = "events.out.tfevents."
  private let file: GrowingFile

  /// Creates a new file in the directory. TensorBoard then drops the steps after `step` from the
  /// earlier files.
  ///
  /// - Parameters:
  ///   - step: steps taken so far.
  ///   - host: this machine's name.
  /// - Throws: `InputError` if the file cannot be created or written.
  package init(in directory: String, afterStep step: Int, host: String) throws {
    try AtomicFile.makeDirectories(directory)
    // TensorBoard reads the files in the order of their names, and the clocks of hosts differ.
    let newest = try Self.names(in: directory).compactMap {
      Int($0.dropFirst(Self.prefix.count).prefix { $0.isNumber })
    }.max()
    let seconds = max(Int(Date().timeIntervalSince1970), (newest ?? 0) + 1)
    let path = "\(directory)/\(Self.prefix)\(padded(seconds, 10)).\(host).\(getpid())"
    guard let file = try GrowingFile(path, mustBeNew: true) else {
      throw InputError(path, "exists already")
    }
    self.file = file
    try append(step: 0) { $0.add(field: 3, text: "brain.Event:2") }
    // A run's first file has a start event too; without it, TensorBoard would not detect a
    // continuation.
    try append(step: step + 1) {
      var start = ProtocolBuffer()
      start.add(field: 1, number: 1)
      $0.add(field: 7, message: start)
    }
  }

  /// Returns the names of the event files, or none if the directory does not exist.
  private static func names(in directory: String) throws -> [String] {
    guard access(directory, F_OK) == 0 else { return [] }
    do {
      return try FileManager.default.contentsOfDirectory(atPath: directory)
        .filter { $0.hasPrefix(prefix) }
    } catch {
      throw InputError.foundation(directory, "cannot be read", error)
    }
  }

  /// Appends numbers of a step. A number that is not finite in single precision becomes NaN;
  /// `metrics.jsonl` has null in its place.
  ///
  /// - Throws: as `GrowingFile.append`.
  package func append(
    _ scalars: [(tag: String, value: Double)], step: Int
  ) throws(InputError) {
    guard !scalars.isEmpty else { return }
    var summary = ProtocolBuffer()
    for (tag, value) in scalars {
      var entry = ProtocolBuffer()
      entry.add(field: 1, text: tag)
      entry.add(field: 2, float: Float(value).isFinite ? Float(value) : .nan)
      summary.add(field: 1, message: entry)
    }
    try append(step: step) { $0.add(field: 5, message: summary) }
  }

  package func synchronize() throws(InputError) { try file.synchronize() }

  /// Appends an event.
  private func append(
    step: Int, _ fill: (inout ProtocolBuffer) -> Void
  ) throws(InputError) {
    var event = ProtocolBuffer()
    event.add(field: 1, double: Date().timeIntervalSince1970)
    event.add(field: 2, number: step)
    fill(&event)
    let length = withUnsafeBytes(of: UInt64(event.bytes.count).littleEndian) { Array($0) }
    try file.append([length, event.bytes].flatMap(Self.checked))
  }

  /// Returns the bytes followed by their masked CRC.
  private static func checked(_ bytes: [UInt8]) -> [UInt8] {
    bytes + withUnsafeBytes(of: CRC32C.masked(bytes).littleEndian) { Array($0) }
  }
}

/// Encodes a message of Protocol Buffers, field by field.
///
/// Format: protobuf.dev/programming-guides/encoding.
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

/// Computes Castagnoli's cyclic redundancy check; RFC 3720, section 12.1 and appendix B.4.
package enum CRC32C {
  /// The remainder of each byte, by the polynomial with reversed bits.
  private static let table: [UInt32] = (0..<256).map { byte in
    (0..<8).reduce(UInt32(byte)) { rest, _ in
      rest & 1 == 1 ? rest >> 1 ^ 0x82F6_3B78 : rest >> 1
    }
  }

  package static func of(_ bytes: [UInt8]) -> UInt32 {
    ~bytes.reduce(~0) { rest, byte in
      rest >> 8 ^ table[Int(UInt8(truncatingIfNeeded: rest) ^ byte)]
    }
  }

  /// Returns the masked check of TensorFlow's records, for data that may contain checks themselves:
  /// tensorflow/core/lib/hash/crc32c.h.
  static func masked(_ bytes: [UInt8]) -> UInt32 {
    let check = of(bytes)
    return (check >> 15 | check << 17) &+ 0xA282_EAD8
  }
}
