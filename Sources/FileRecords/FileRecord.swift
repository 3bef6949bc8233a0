/// What a file held when it was opened for reading: enough to tell whether ranks have read the
/// same.
package struct FileRecord: Equatable, Sendable {
  /// Formats have their headers there.
  package static let startCount = 4096
  /// Larger files are compared by a sample, so that nobody reads 100 GB twice.
  package static let largestWhole = 128 << 20

  /// As the program was given it.
  package let path: String
  /// In bytes.
  package let size: Int
  /// A digest of the first bytes, in which formats have their headers.
  package let start: String
  /// A digest of the contents, or of a sample spread over them.
  package let contents: String

  /// - Parameters:
  ///   - size: in bytes.
  ///   - start: a digest of the first bytes, without spaces.
  ///   - contents: a digest of all, or of a sample, without spaces.
  package init(path: String, size: Int, start: String, contents: String) {
    (self.path, self.size, self.start, self.contents) = (path, size, start, contents)
  }
}

extension FileRecord: CustomStringConvertible {
  /// One line, which `init(line:)` reads.
  package var description: String {
    let name = path.unicodeScalars.map { $0.value < 32 ? "?" : "\($0)" }.joined()
    return "\(size) \(start) \(contents) \(name)"
  }

  /// - Parameter line: a description; nil for another text.
  package init?(line: some StringProtocol) {
    let parts = line.split(separator: " ", maxSplits: 3, omittingEmptySubsequences: false)
    guard parts.count == 4, let size = Int(parts[0]) else { return nil }
    self.init(
      path: String(parts[3]), size: size, start: String(parts[1]), contents: String(parts[2]))
  }

  /// In what another file differs first, and what that is of both; nil where the digests are the
  /// same.
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
