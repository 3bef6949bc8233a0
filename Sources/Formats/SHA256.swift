import CCrypto

/// Computes the SHA-256 digest of bytes that arrive in parts (FIPS 180-4).
public final class SHA256 {
  private let context = EVP_MD_CTX_new()

  /// Starts the digest of an empty sequence.
  public init() {
    precondition(EVP_DigestInit_ex(context, EVP_sha256(), nil) == 1, "no SHA-256 in libcrypto")
  }

  deinit { EVP_MD_CTX_free(context) }

  /// Appends these bytes.
  public func add(_ bytes: UnsafeRawBufferPointer) {
    precondition(EVP_DigestUpdate(context, bytes.baseAddress, bytes.count) == 1)
  }

  /// Returns the digest in hexadecimal digits; no bytes can be added afterwards.
  public func finish() -> String {
    var digest = [UInt8](repeating: 0, count: 32)
    precondition(EVP_DigestFinal_ex(context, &digest, nil) == 1)
    let digits = Array("0123456789abcdef")
    return String(digest.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] })
  }

  /// Returns the digest of a text.
  public static func of(_ text: String) -> String {
    let digest = SHA256()
    var text = text
    text.withUTF8 { digest.add(UnsafeRawBufferPointer($0)) }
    return digest.finish()
  }

  /// Returns the digest of a file.
  ///
  /// - Throws: `InputError` if the file cannot be read.
  public static func ofFile(_ path: String) throws(InputError) -> String {
    let file = try InputFile(path)
    let digest = SHA256()
    var offset = 0
    while offset < file.count {
      let piece: [UInt8] = try file.read(offset..<min(offset + 1 << 20, file.count))
      piece.withUnsafeBytes { digest.add($0) }
      offset += piece.count
    }
    return digest.finish()
  }
}

/// Computes a 64-bit digest of bytes to compare data between ranks: FNV-1a over words of eight
/// bytes.
package struct Digest {
  private var state: UInt64 = 0xCBF2_9CE4_8422_2325

  package init() {}

  package mutating func add(_ bytes: UnsafeRawBufferPointer) {
    let words = bytes.count / 8
    for word in 0..<words {
      mix(UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: word * 8, as: UInt64.self)))
    }
    for byte in bytes[(words * 8)...] { mix(UInt64(byte)) }
    mix(UInt64(bytes.count))
  }

  private mutating func mix(_ word: UInt64) { state = (state ^ word) &* 0x0000_0100_0000_01B3 }

  package var text: String { String(state, radix: 16) }
}
