import Datasets
import Foundation
import Training

/// The files of a pruned network, in a directory.
struct OutputFiles {
  private let directory: String

  init(_ directory: String) { self.directory = directory }

  var model: String { "\(directory)/model.safetensors" }
  var masks: String { "\(directory)/masks.safetensors" }
  var report: String { "\(directory)/report.json" }

  /// Refuses a directory that cannot be made.
  static func checkCanBeMade(_ directory: String, flag: String) throws(DatasetError) {
    var existing = directory.hasPrefix("/") ? "/" : "."
    for part in directory.split(separator: "/") {
      guard access("\(existing)/\(part)", F_OK) == 0 else { break }
      existing += "/\(part)"
    }
    guard access("\(existing)/.", W_OK | X_OK) == 0 else {
      throw .system(flag, "'\(directory)' cannot be made")
    }
  }

  /// Refuses to replace what is there, and directories that cannot be made.
  ///
  /// - Parameter isOwn: of a file that is there, whether it is the one that would be written.
  static func checkAreFree(in directories: [String], isOwn: (String) throws -> Bool) throws {
    try checkCanBeMade(directories[0], flag: "--output")
    for files in directories.map(OutputFiles.init) {
      for file in [files.model, files.masks, files.report]
      where try access(file, F_OK) == 0 && !isOwn(file) {
        throw DatasetError("--output", "\(file) is there already", expected: "another directory")
      }
    }
  }

  func makeDirectory() throws { try AtomicFile.makeDirectories(directory) }

  /// Writes the report; it appears when it is complete.
  func write(_ report: Report) throws {
    let encoder = JSONEncoder()
    encoder.keyEncodingStrategy = .convertToSnakeCase
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    let text = try encoder.encode(report) + [UInt8(ascii: "\n")]
    try AtomicFile.write(to: self.report) { file throws(DatasetError) in
      try file.write(Array(text))
    }
  }
}
