import Formats
import Foundation

/// Writes and reads JSON records that end with the digest of everything before it, which reveals
/// damage.
package enum SealedJSON {
  /// Returns the text of a file.
  ///
  /// - Parameter key: the name of the field that holds the digest.
  package static func text(of record: some Encodable, digest key: String) throws -> String {
    let body = try JSONText.of(record).dropLast(2)
    return body + tail(of: String(body), key)
  }

  /// Checks a record's digest and decodes it.
  ///
  /// - Throws: `InputError` naming the file, if its bytes are not what `text` returns for such a
  ///   record.
  package static func record<Record: Decodable>(
    _ type: Record.Type, from bytes: [UInt8], file: String, digest key: String
  ) throws(InputError) -> Record {
    guard let text = String(validating: bytes, as: UTF8.self) else {
      throw InputError(file, "is not UTF-8 text")
    }
    let tailCount = tail(of: "", key).utf8.count
    guard bytes.count > tailCount else {
      throw InputError(file, "is too short for a record", got: "\(bytes.count) bytes")
    }
    let body = String(decoding: bytes.dropLast(tailCount), as: UTF8.self)
    guard text == body + tail(of: body, key) else {
      throw InputError(file, "its digest does not match its text")
    }
    do {
      return try JSONText.decoder.decode(type, from: Data("\(body)\n}".utf8))
    } catch {
      throw InputError(file, "is not the expected record: \(error)")
    }
  }

  private static func tail(of body: String, _ key: String) -> String {
    ",\n  \"\(key)\" : \"\(SHA256.of(body))\"\n}\n"
  }
}
