import ArgumentParser
import Formats
import Foundation
import ProgramOptions

/// Where a page or a plot goes, which replaces one that is there as a whole.
struct OutputPath {
  let flag: String
  let path: String

  /// - Throws: `ValidationError` where no file of that name can be written.
  func check() throws {
    try require(!path.isEmpty, flag, "a path", "an empty one")
    var isDirectory: ObjCBool = false
    let isThere = FileManager.default.fileExists(atPath: path, isDirectory: &isDirectory)
    try require(
      !isDirectory.boolValue && !path.hasSuffix("/"), flag, "a file", "the directory '\(path)'")
    // It is replaced as a whole, so that its directory must be writable; what is no file is not.
    let directory = URL(filePath: path).deletingLastPathComponent().path
    try require(
      access(directory, W_OK | X_OK) == 0, flag, "a file in a directory that can be written to",
      "'\(path)': \(String(cString: strerror(errno)))")
    var status = stat()
    guard isThere, stat(path, &status) == 0 else { return }
    try require(
      status.st_mode & S_IFMT == S_IFREG, flag, "a file", "'\(path)', a device or pipe")
    try require(
      access(path, W_OK) == 0, flag, "a file that can be written", "'\(path)', which cannot")
  }

  /// Writes the file; it appears when it is complete.
  func write(_ bytes: [UInt8]) throws {
    try AtomicFile.write(to: path) { file throws(InputError) in try file.write(bytes) }
  }
}
