import ArgumentParser
import Formats
import Foundation
import MPI
import ProgramOptions
import RunRecords
import Training

/// Holds the option for a file of results, in addition to the printed table.
struct ResultFiles: ParsableArguments {
  @Option(help: "Also write the numbers to this JSON file.", completion: .file())
  var json: String?

  // An earlier version drew a plot here.
  @Option(help: .private)
  var plot: String?

  /// Refuses files that cannot be written before it measures.
  func validate() throws {
    // Rank 0 writes. On other ranks' machines the directory may not exist.
    guard Communicator.isFirst else { return }
    try require(
      plot == nil, "--plot", "'swift-mfac-report plot', which draws what --json names", plot ?? "")
    guard let json else { return }
    try require(
      "--json", replaces: json, only: "results", named: ".json", beginningWith: "{\n", "[\n")
    let isNew = access(json, F_OK) != 0
    let descriptor = open(json, O_WRONLY | O_CREAT | O_CLOEXEC, 0o666)
    guard descriptor >= 0 else {
      throw ValidationError(
        "--json: '\(json)' cannot be written: \(String(cString: strerror(errno)))")
    }
    close(descriptor)
    if isNew { unlink(json) }
  }

  /// Refuses a file to which a sweep added run by run: replacing it would lose measurements.
  func checkReplacesNoSweep() throws {
    guard Communicator.isFirst, let json, access(json, F_OK) == 0 else { return }
    try require(
      (try? earlier(ScalingCurves.self)) == nil, "--json", "another file",
      "'\(json)', to which 'scaling' and 'predict' add")
  }

  /// Writes the results if requested, and prints the command that plots them.
  func write(_ results: some Encodable) throws {
    // The table must precede later output on the same stream.
    fflush(nil)
    guard let json else { return }
    try Self.write(Data("\(try JSONText.of(results))\n".utf8), to: json)
    let name = json.hasSuffix(".json") ? String(json.dropLast(5)) : json
    print("plot: swift-mfac-report plot \(json) --output \(name).svg")
  }

  /// Returns the results of an earlier run; nil if the JSON file is missing or empty.
  func earlier<Results: Decodable>(_ type: Results.Type) throws -> Results? {
    var status = stat()
    // Devices and pipes hold no earlier results.
    guard let json, stat(json, &status) == 0, status.st_mode & S_IFMT == S_IFREG,
      status.st_size > 0
    else { return nil }
    let data = Data(try InputFile.contents(of: json))
    do {
      return try JSONText.decoder.decode(type, from: data)
    } catch {
      throw InputError(
        json, "holds something else than results to add to",
        expected: "what 'scaling' and 'predict' write, or no such file")
    }
  }

  /// Writes in place, so that processes with the file open see the change.
  private static func write(_ data: Data, to path: String) throws {
    do {
      try data.write(to: URL(filePath: path))
    } catch {
      throw InputError(path, "cannot be written: \(error.localizedDescription)")
    }
  }
}
