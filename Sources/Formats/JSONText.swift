import Foundation

/// Records as JSON, in one form for all files: keys in snake case and in order, and null for a
/// number that is not finite, which JSON has no form for.
///
/// No other place makes an encoder (`make lint`): a record with such a number can always be
/// written.
package enum JSONText {
  /// Reads what `of` has written.
  package static var decoder: JSONDecoder {
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    return decoder
  }

  /// No text of a record is this: no file has a name with a zero in it.
  private static let notFinite = "\0not finite"

  /// - Parameter inLines: whether each value has a line of its own; else all is one line.
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
