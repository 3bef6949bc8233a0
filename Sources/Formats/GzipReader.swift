import CZlib

/// Inflates gzip data held in memory, no further than it is asked to: all members, one after
/// another, and zero bytes that pad them (RFC 1952, section 2.2).
///
/// What it allocates is bounded by what the stream really holds, not by what a file claims.
package struct GzipReader: ~Copyable {
  package static let magic: [UInt8] = [0x1f, 0x8b]

  private let file: String
  private let compressed: UnsafeRawBufferPointer
  /// How much of `compressed` zlib has been handed; its counters have 32 bits.
  private var handed = 0
  // zlib's state points back at its stream, which therefore must not move.
  private let stream: UnsafeMutablePointer<z_stream>
  private let piece: UnsafeMutableBufferPointer<UInt8>
  private var ended = false
  /// Bytes behind the last member that are neither another one nor zero.
  private var trailing = 0

  /// - Parameter compressed: must outlive the reader.
  package init(_ compressed: UnsafeRawBufferPointer, file: String) throws(InputError) {
    self.file = file
    self.compressed = compressed
    stream = .allocate(capacity: 1)
    stream.initialize(to: z_stream())
    piece = .allocate(capacity: 1 << 16)
    // 15: the largest window; 16: a gzip header and its check sum are demanded.
    let status = inflateInit2_(
      stream, 15 + 16, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size))
    guard status == Z_OK else { throw InputError(file, "zlib cannot start: code \(status)") }
  }

  deinit {
    inflateEnd(stream)
    stream.deallocate()
    piece.deallocate()
  }

  /// The next `count` bytes; fewer when the stream ends before.
  package mutating func read(_ count: Int) throws(InputError) -> [UInt8] {
    var bytes: [UInt8] = []
    // Ordinary files never grow past this and are not copied again.
    bytes.reserveCapacity(min(count, 16 * compressed.count))
    while bytes.count < count && !ended {
      let inflated = try inflatePiece(limit: count - bytes.count)
      bytes.append(contentsOf: inflated)
    }
    return bytes
  }

  /// Checks that the data end here, that each check sum is right and that nothing else follows.
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

  /// Goes on behind a member's end; what is no member stays for `finish()`.
  private mutating func beginNextMember() throws(InputError) {
    let end = handed - Int(stream.pointee.avail_in)
    let next = compressed[end...].firstIndex { $0 != 0 } ?? compressed.count
    guard compressed[next...].starts(with: Self.magic) else {
      trailing = next < compressed.count ? compressed.count - end : 0
      ended = true
      return
    }
    let status = inflateReset(stream)
    guard status == Z_OK else { throw InputError(file, "zlib cannot go on: code \(status)") }
    stream.pointee.avail_in = 0
    handed = next
  }
}
