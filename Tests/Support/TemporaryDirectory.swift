import Foundation

/// A temporary directory for one test, removed with its content after the test.
package final class TemporaryDirectory: Sendable {
  package let root: String

  package init() throws {
    root = NSTemporaryDirectory() + "swift-mfac-" + UUID().uuidString
    try FileManager.default.createDirectory(atPath: root, withIntermediateDirectories: true)
  }

  /// A directory shared by several tests, removed when the process ends.
  package static let ofAllTests: TemporaryDirectory = {
    atexit { try? FileManager.default.removeItem(atPath: TemporaryDirectory.ofAllTests.root) }
    return try! TemporaryDirectory()
  }()

  deinit { try? FileManager.default.removeItem(atPath: root) }

  package func path(_ name: String) -> String { "\(root)/\(name)" }

  /// Writes a file and returns its path.
  @discardableResult
  package func write(_ bytes: [UInt8], to name: String) throws -> String {
    try Data(bytes).write(to: URL(filePath: path(name)))
    return path(name)
  }

  /// Writes a file and returns its path.
  @discardableResult
  package func write(_ text: String, to name: String) throws -> String {
    try write(Array(text.utf8), to: name)
  }

  /// Creates a folder in the directory.
  package func makeFolder(_ name: String) throws {
    try FileManager.default.createDirectory(
      atPath: path(name), withIntermediateDirectories: true)
  }

  package func remove(_ name: String) throws {
    try FileManager.default.removeItem(atPath: path(name))
  }

  /// Returns all names in the directory, including hidden ones.
  package func names() throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: root).sorted()
  }
}

package func contents(of path: String) throws -> [UInt8] {
  Array(try Data(contentsOf: URL(filePath: path)))
}

/// The folder of the embedded digits' files.
package let digitsDirectory = "\(Program.package)/Sources/CDigits"
