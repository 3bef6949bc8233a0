import CZlib

/// Inflates gzip data in memory on demand: all members, one after another, and the zero bytes that
/// pad them (RFC 1952, section 2.2).
///
/// Memory is bounded by the real content of the stream, not by a size that the file claims.
package struct GzipReader: ~Copyable {
  package static let magic: [UInt8] = [0x1f, 0x8b]

  private let file: String
  private let compressed: UnsafeRawBufferPointer
  /// Bytes of `compressed` already passed to zlib, whose counters have 32 bits.
  private var handed = 0
  // zlib's state points back to its stream, so the stream must not move.
  private let stream: UnsafeMutablePointer<z_stream>
  private let piece: UnsafeMutableBufferPointer<UInt8>
  private var ended = false
  /// Bytes after the last member that are neither a member nor zero.
  private var trailing = 0

  /// Starts at the first member.
  ///
  /// - Parameter compressed: must outlive the reader.
  package init(_ compressed: UnsafeRawBufferPointer, file: String) throws(InputError) {
    self.file = file
    self.compressed = compressed
    stream = .allocate(capacity: 1)
    stream.initialize(to: z_stream())
    piece = .allocate(capacity: 1 << 16)
    // 15 selects the largest window; 16 requires a gzip header and its checksum.
    let status = inflateInit2_(
      stream, 15 + 16, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size))
    guard status == Z_OK else { throw InputError(file, "zlib cannot start: code \(status)") }
  }

  deinit {
    inflateEnd(stream)
    stream.deallocate()
    piece.deallocate()
  }

  /// Returns the next `count` bytes, or fewer if the stream ends.
  package mutating func read(_ count: Int) throws(InputError) -> [UInt8] {
    var bytes: [UInt8] = []
    // Ordinary files stay within this capacity and need no second copy.
    bytes.reserveCapacity(min(count, 16 * compressed.count))
    while bytes.count < count && !ended {
      let inflated = try inflatePiece(limit: count - bytes.count)
      bytes.append(contentsOf: inflated)
    }
    return bytes
  }

  /// Checks that the data end here, that each checksum is right and that no other data follow.
  package mutating func finish() throws(InputError) {
    while !ended {
      guard try inflatePiece(limit: 1).isEmpty else {
        throw InputError(file, "holds more data than its header announces")
      }
    }
    guard trailing == 0 else {
      throw InputError(file, "\(trailing) bytes follow the end of the gzip data")
    }
  }

  private mutating func inflatePiece(
    limit: Int
  ) throws(InputError) -> UnsafeBufferPointer<UInt8> {
    if stream.pointee.avail_in == 0 && handed < compressed.count {
      let next = compressed[handed...].prefix(1 << 30)
      stream.pointee.next_in = UnsafeMutablePointer(
        mutating: UnsafeRawBufferPointer(rebasing: next).bindMemory(to: UInt8.self).baseAddress)
      stream.pointee.avail_in = UInt32(next.count)
      handed += next.count
    }
    let room = min(limit, piece.count)
    stream.pointee.next_out = piece.baseAddress
    stream.pointee.avail_out = UInt32(room)
    let status = inflate(stream, Z_NO_FLUSH)
    switch status {
    case Z_OK: break
    case Z_STREAM_END: try beginNextMember()
    case Z_BUF_ERROR: throw InputError(file, "the gzip data ends early, after \(handed) bytes")
    default:
      let reason = stream.pointee.msg.map { String(cString: $0) } ?? "code \(status)"
      let position = handed - Int(stream.pointee.avail_in)
      throw InputError(file, "corrupt gzip data near byte \(position): \(reason)")
    }
    let produced = room - Int(stream.pointee.avail_out)
    return UnsafeBufferPointer(rebasing: piece[..<produced])
  }

  /// Continues after a member's end. `finish()` reports data that are not a member.
  private mutating func beginNextMember() throws(InputError) {
    let end = handed - Int(stream.pointee.avail_in)
    let next = compressed[end...].firstIndex { $0 != 0 } ?? compressed.count
    guard compressed[next...].starts(with: Self.magic) else {
      trailing = next < compressed.count ? compressed.count - end : 0
      ended = true
      return
    }
    let status = inflateReset(stream)
    guard status == Z_OK else { throw InputError(file, "zlib cannot continue: code \(status)") }
    stream.pointee.avail_in = 0
    handed = next
  }
}
