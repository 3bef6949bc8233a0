import Formats
import Foundation

/// A file with a JSON object in each line; a run may append lines while it is read.
package struct JSONLines<Line: Decodable & SendableMetatype> {
  private let path: String
  private let expected: String

  /// Refers to a file; does not open it.
  ///
  /// - Parameter expected: a description of a line, for messages.
  package init(of path: String, expected: String) {
    self.path = path
    self.expected = expected
  }

  /// Reads the file line by line. Leaves out a last line without a newline, which is incomplete.
  ///
  /// - Throws: `InputError` naming the line that cannot be read.
  package func read(_ body: (Line) throws(InputError) -> Void) throws(InputError) {
    let file = try InputFile(path, mayChange: true)
    let decoder = JSONText.decoder
    var (offset, number) = (0, 0)
    var rest: [UInt8] = []
    while offset < file.count {
      let end = min(offset + 1 << 22, file.count)
      let block: [UInt8] = rest + (try file.read(offset..<end))
      offset = end
      var start = 0
      while let newline = block[start...].firstIndex(of: UInt8(ascii: "\n")) {
        number += 1
        let text = block[start..<newline]
        start = newline + 1
        let line: Line
        do { line = try decoder.decode(Line.self, from: Data(text)) } catch {
          throw wrong(text, number, error)
        }
        try body(line)
      }
      rest = Array(block[start...])
    }
  }

  private func wrong(_ text: ArraySlice<UInt8>, _ number: Int, _ error: any Error) -> InputError {
    let start = String(decoding: text.prefix(60), as: UTF8.self)
    let reason = (error as? DecodingError).map { ", \(describe($0))" } ?? ""
    return InputError(
      path, "line \(number) cannot be used", expected: "\(expected)",
      got: "'\(start)\(text.count > 60 ? "…" : "")'\(reason)")
  }
}

/// Describes why a record could not be decoded, and names the field.
package func describe(_ error: DecodingError) -> String {
  switch error {
  case .keyNotFound(let key, let context):
    "no '\(place(context.codingPath + [key]))'"
  case .typeMismatch(_, let context), .valueNotFound(_, let context):
    "wrong type of '\(place(context.codingPath))'"
  case .dataCorrupted(let context):
    context.codingPath.isEmpty ? "invalid JSON" : "invalid value of '\(place(context.codingPath))'"
  @unknown default: "something else"
  }
}

private func place(_ path: [any CodingKey]) -> String {
  path.map { $0.intValue.map { "\($0 + 1)" } ?? $0.stringValue }.joined(separator: ".")
}
