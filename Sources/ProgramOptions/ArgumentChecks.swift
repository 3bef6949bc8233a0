import ArgumentParser
import Formats

/// Checks an option's value.
///
/// - Throws: `ValidationError` of one line, if `holds` is false.
package func require(_ holds: Bool, _ flag: String, _ expected: String, _ got: some Any) throws {
  guard holds else { throw ValidationError("\(flag): expected \(expected), got \(got)") }
}

/// Checks that an option's number lies in a range.
///
/// - Throws: `ValidationError` of one line.
package func require(_ flag: String, in range: ClosedRange<Int>, _ got: Int) throws {
  try require(range.contains(got), flag, "in \(range)", got)
}

/// Runs `body` and rethrows the library's errors as errors of the command line.
///
/// - Throws: `ValidationError`.
package func checked<Result>(_ body: () throws -> Result) throws -> Result {
  do { return try body() } catch { throw ValidationError(withFlags("\(error)")) }
}

/// Checks that an output file is new, empty or of a kind that may be replaced. A file is of that
/// kind if its name has the suffix, or if it begins with one of the given texts.
///
/// - Parameters:
///   - kind: the kind of file in words, for the message.
///   - suffix: suffix of the names of such files.
///   - starts: first characters of such files, in lower case, after leading white space.
/// - Throws: `ValidationError` naming the file.
package func require(
  _ flag: String, replaces path: String, only kind: String, named suffix: String,
  beginningWith starts: String...
) throws {
  guard !path.hasSuffix(suffix), let file = try? InputFile(path), file.count > 0 else { return }
  let bytes: [UInt8] = try checked { try file.read(0..<min(file.count, 64)) }
  let beginning = String(decoding: bytes, as: UTF8.self).drop(while: \.isWhitespace).lowercased()
  try require(
    starts.contains(where: beginning.hasPrefix), flag, "a new file, or \(kind) to replace",
    "'\(path)', which is something else")
}
