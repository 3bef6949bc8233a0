/// Describes a file's contents at the time it was opened for reading, in enough detail to compare
/// them between ranks.
package struct FileRecord: Equatable, Sendable {
  /// Bytes that `start` covers: file formats keep their headers there.
  package static let startCount = 4096
  /// Files above this size in bytes are compared by a sample, so no rank reads 100 GB twice.
  package static let largestWhole = 128 << 20

  /// The path as the user gave it to the program.
  package let path: String
  /// Size in bytes.
  package let size: Int
  /// Digest of the first `startCount` bytes, where file formats keep their headers.
  package let start: String
  /// Digest of the contents, or of a sample spread over them.
  package let contents: String

  /// Creates a record from a file's size and digests.
  ///
  /// - Parameters:
  ///   - size: in bytes.
  ///   - start: a digest of the first bytes, without spaces.
  ///   - contents: a digest of the contents or of a sample, without spaces.
  package init(path: String, size: Int, start: String, contents: String) {
    (self.path, self.size, self.start, self.contents) = (path, size, start, contents)
  }
}

extension FileRecord: CustomStringConvertible {
  /// The record in one line, which `init(line:)` parses.
  package var description: String {
    let name = path.unicodeScalars.map { $0.value < 32 ? "?" : "\($0)" }.joined()
    return "\(size) \(start) \(contents) \(name)"
  }

  /// Parses `line`; returns nil if it is not a record's description.
  package init?(line: some StringProtocol) {
    let parts = line.split(separator: " ", maxSplits: 3, omittingEmptySubsequences: false)
    guard parts.count == 4, let size = Int(parts[0]) else { return nil }
    self.init(
      path: String(parts[3]), size: size, start: String(parts[1]), contents: String(parts[2]))
  }

  /// Returns the first difference from another file: its name and both values; nil if sizes and
  /// digests are equal.
  package func difference(from other: FileRecord) -> (what: String, local: String, other: String)? {
    if size != other.size { return ("size in bytes", "\(size)", "\(other.size)") }
    if start != other.start {
      return (
        "digest of the first \(min(size, Self.startCount)) bytes", String(start.prefix(16)),
        String(other.start.prefix(16))
      )
    }
    guard contents == other.contents else {
      return (
        size > Self.largestWhole ? "digest of a sample of the contents" : "digest of the contents",
        String(contents.prefix(16)), String(other.contents.prefix(16))
      )
    }
    return nil
  }
}
