import Foundation

/// Encodes records as JSON in one form for all files: sorted keys in snake case, and null for
/// numbers that are not finite, because JSON cannot express them.
///
/// No other file creates an encoder (`make lint`), so a record with such a number can always be
/// written.
package enum JSONText {
  /// A decoder for text from `of`.
  package static var decoder: JSONDecoder {
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    return decoder
  }

  /// A placeholder that no record contains: a text in a record never has a zero byte.
  private static let notFinite = "\0not finite"

  /// Encodes a record.
  ///
  /// - Parameter inLines: puts each value on its own line; otherwise the text is one line.
  package static func of(_ record: some Encodable, inLines: Bool = true) throws -> String {
    let encoder = JSONEncoder()
    encoder.keyEncodingStrategy = .convertToSnakeCase
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    if inLines { encoder.outputFormatting.insert(.prettyPrinted) }
    encoder.nonConformingFloatEncodingStrategy = .convertToString(
      positiveInfinity: notFinite, negativeInfinity: notFinite, nan: notFinite)
    let text = String(decoding: try encoder.encode(record), as: UTF8.self)
    return text.replacing("\"\\u0000not finite\"", with: "null")
  }
}
