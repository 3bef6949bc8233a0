import Formats
import Foundation
import RunRecords

/// The output files of a pruned network, in one directory.
struct OutputFiles {
  private let directory: String

  init(_ directory: String) { self.directory = directory }

  var model: String { "\(directory)/model.safetensors" }
  var masks: String { "\(directory)/masks.safetensors" }
  var sparse: String { "\(directory)/sparse.safetensors" }
  var report: String { "\(directory)/report.json" }
  /// The plot of the report's curve.
  var curve: String { "\(directory)/curve.svg" }

  /// Checks that a directory exists or can be created.
  ///
  /// - Throws: `InputError` naming the flag and the directory.
  static func checkCanBeMade(_ directory: String, flag: String) throws(InputError) {
    var existing = directory.hasPrefix("/") ? "/" : "."
    for part in directory.split(separator: "/") {
      guard access("\(existing)/\(part)", F_OK) == 0 else { break }
      existing += "/\(part)"
    }
    guard access("\(existing)/.", W_OK | X_OK) == 0 else {
      throw .system(flag, "'\(directory)' cannot be created")
    }
  }

  /// Checks that the output directories can be created and hold no output files.
  ///
  /// - Parameter isUnfinished: returns true for a directory with incomplete output of an earlier
  ///   call, which this call replaces.
  /// - Throws: `InputError` naming the directory or file.
  static func checkAreFree(
    in directories: [String], isUnfinished: (OutputFiles) throws -> Bool
  ) throws {
    try checkCanBeMade(directories[0], flag: "--output")
    for files in try directories.map(OutputFiles.init).filter({ try !isUnfinished($0) }) {
      for file in [files.model, files.masks, files.sparse, files.report, files.curve]
      where access(file, F_OK) == 0 {
        throw InputError("--output", "\(file) already exists", expected: "another directory")
      }
    }
  }

  func makeDirectory() throws { try AtomicFile.makeDirectories(directory) }

  /// Returns the sizes of the files in bytes; 0 or nil for a missing file.
  func bytes() -> PruningReport.Bytes {
    func size(_ path: String) -> Int? {
      var status = stat()
      return stat(path, &status) == 0 ? Int(status.st_size) : nil
    }
    return PruningReport.Bytes(
      model: size(model) ?? 0, masks: size(masks) ?? 0, sparse: size(sparse))
  }

  /// Writes the report; the file appears once it is complete.
  func write(_ report: PruningReport) throws {
    let text = "\(try JSONText.of(report))\n"
    try AtomicFile.write(to: self.report) { file throws(InputError) in
      try file.write(Array(text.utf8))
    }
  }
}
