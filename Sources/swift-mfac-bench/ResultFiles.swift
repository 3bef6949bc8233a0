import ArgumentParser
import Formats
import Foundation
import MPI
import ProgramOptions
import Results
import Training

/// Where results go beside the table.
struct ResultFiles: ParsableArguments {
  @Option(help: "A file for the numbers, as JSON.", completion: .file())
  var json: String?

  @Option(help: "A file for a plot, as SVG.", completion: .file())
  var plot: String?

  /// Refuses files that cannot be written, before anything is measured for them.
  func validate() throws {
    // Rank 0 writes; other ranks may run where there is no such directory.
    guard Communicator.isFirst else { return }
    for (flag, path) in [("--json", json), ("--plot", plot)] {
      guard let path else { continue }
      if flag == "--json" {
        try require(
          flag, replaces: path, only: "results", named: ".json", beginningWith: "{\n", "[\n")
      } else {
        try require(
          flag, replaces: path, only: "a plot", named: ".svg", beginningWith: "<?xml", "<svg")
      }
      let isNew = access(path, F_OK) != 0
      let descriptor = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0o666)
      guard descriptor >= 0 else {
        throw ValidationError(
          "\(flag): '\(path)' cannot be written: \(String(cString: strerror(errno)))")
      }
      close(descriptor)
      if isNew { unlink(path) }
    }
  }

  /// Refuses the file that a sweep's runs have added to one by one: they would have to run again.
  func checkReplacesNoSweep() throws {
    guard Communicator.isFirst, let json, access(json, F_OK) == 0 else { return }
    try require(
      (try? earlier(ScalingCurves.self)) == nil, "--json", "another file",
      "'\(json)', to which 'scaling' and 'predict' add")
  }

  /// Writes what was asked for.
  func write(_ results: some Encodable, plot drawing: @autoclosure () -> String) throws {
    // The table stands before what may follow it on the same output.
    fflush(nil)
    if let json {
      try Self.write(Data("\(try JSONText.of(results))\n".utf8), to: json)
    }
    if let plot { try Self.write(Data(drawing().utf8), to: plot) }
  }

  /// What an earlier run wrote to the JSON file; nil where there is none, or an empty file.
  func earlier<Results: Decodable>(_ type: Results.Type) throws -> Results? {
    var status = stat()
    // Of a device or a pipe there is nothing to read.
    guard let json, stat(json, &status) == 0, status.st_mode & S_IFMT == S_IFREG,
      status.st_size > 0
    else { return nil }
    let data = Data(try InputFile.contents(of: json))
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    do {
      return try decoder.decode(type, from: data)
    } catch {
      throw InputError(
        json, "holds something else than results to add to",
        expected: "what 'scaling' and 'predict' write, or no such file")
    }
  }

  /// In place: whoever has the file open sees it.
  private static func write(_ data: Data, to path: String) throws {
    do {
      try data.write(to: URL(filePath: path))
    } catch {
      throw InputError(path, "cannot be written: \(error.localizedDescription)")
    }
  }
}
