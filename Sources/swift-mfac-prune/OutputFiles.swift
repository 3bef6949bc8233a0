import Formats
import Foundation
import RunRecords

/// The files of a pruned network, in a directory.
struct OutputFiles {
  private let directory: String

  init(_ directory: String) { self.directory = directory }

  var model: String { "\(directory)/model.safetensors" }
  var masks: String { "\(directory)/masks.safetensors" }
  var sparse: String { "\(directory)/sparse.safetensors" }
  var report: String { "\(directory)/report.json" }
  /// A file for the report's curve.
  var curve: String { "\(directory)/curve.svg" }

  /// Refuses a directory that cannot be made.
  static func checkCanBeMade(_ directory: String, flag: String) throws(InputError) {
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
  /// - Parameter isUnfinished: Whether an earlier call, which this one goes on from, has begun to
  ///   write to a directory.
  static func checkAreFree(
    in directories: [String], isUnfinished: (OutputFiles) throws -> Bool
  ) throws {
    try checkCanBeMade(directories[0], flag: "--output")
    for files in try directories.map(OutputFiles.init).filter({ try !isUnfinished($0) }) {
      for file in [files.model, files.masks, files.sparse, files.report, files.curve]
      where access(file, F_OK) == 0 {
        throw InputError("--output", "\(file) is there already", expected: "another directory")
      }
    }
  }

  func makeDirectory() throws { try AtomicFile.makeDirectories(directory) }

  /// The sizes of the files that there are.
  func bytes() -> PruningReport.Bytes {
    func size(_ path: String) -> Int? {
      var status = stat()
      return stat(path, &status) == 0 ? Int(status.st_size) : nil
    }
    return PruningReport.Bytes(
      model: size(model) ?? 0, masks: size(masks) ?? 0, sparse: size(sparse))
  }

  /// Writes the report; it appears when it is complete.
  func write(_ report: PruningReport) throws {
    let text = "\(try JSONText.of(report))\n"
    try AtomicFile.write(to: self.report) { file throws(InputError) in
      try file.write(Array(text.utf8))
    }
  }
}
