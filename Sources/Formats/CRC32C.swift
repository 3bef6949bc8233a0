/// Castagnoli's cyclic redundancy check; RFC 3720, section 12.1 and appendix B.4.
package enum CRC32C {
  /// Of each byte, through the polynomial with its bits reversed.
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

  /// As TensorFlow's records store it, for data that may hold checks themselves:
  /// tensorflow/core/lib/hash/crc32c.h.
  static func masked(_ bytes: [UInt8]) -> UInt32 {
    let check = of(bytes)
    return (check >> 15 | check << 17) &+ 0xA282_EAD8
  }
}
