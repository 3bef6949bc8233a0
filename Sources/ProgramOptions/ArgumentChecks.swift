import ArgumentParser
import Formats

/// Refuses an option's value in one line.
package func require(_ holds: Bool, _ flag: String, _ expected: String, _ got: some Any) throws {
  guard holds else { throw ValidationError("\(flag): expected \(expected), got \(got)") }
}

/// Refuses a number out of its range in one line.
package func require(_ flag: String, in range: ClosedRange<Int>, _ got: Int) throws {
  try require(range.contains(got), flag, "in \(range)", got)
}

/// Turns an error of the library's into one of the command line's.
package func checked<Result>(_ body: () throws -> Result) throws -> Result {
  do { return try body() } catch { throw ValidationError(withFlags("\(error)")) }
}

/// Refuses to replace a file that is there and of another kind, by its name and its beginning.
///
/// - Parameters:
///   - kind: what may be replaced, in words.
///   - suffix: how the names of such files end.
///   - starts: how such files begin.
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
