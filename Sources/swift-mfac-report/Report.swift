import ArgumentParser
import FileRecords
import Formats
import Foundation
import ProgramOptions
import Training

@main
struct Report: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "swift-mfac-report",
    abstract: "Compares runs in one HTML page: curves, costs and settings.",
    discussion: """
      The page is one self-contained file: runs by step and by time, steps and seconds to a \
      target, seconds by phase, settings and environments, scaling curves and pruning curves. Runs \
      may still be in progress. The program runs without mpirun.
      """,
    version: packageVersion, subcommands: [Plot.self])

  @Argument(
    help: """
      Directories of runs (swift-mfac-train) or of pruned networks (swift-mfac-prune), directories \
      of such directories, and .json files of swift-mfac-bench and swift-mfac-prune.
      """)
  var runs: [String]

  @Option(help: .init("The page to write; an existing page is replaced.", valueName: "file"))
  var output: String

  @Option(help: "Title of the page.")
  var title: String?

  @Option(
    help: """
      Report steps and seconds to this test accuracy, such as 0.9 or 90%. (default: the best that \
      all runs reach)
      """)
  var target: Accuracy?

  @Option(
    parsing: .unconditional,
    help:
      "Report steps and seconds to this test loss. (default without accuracies: the best of all)"
  )
  var targetLoss: Double?

  static func main() {
    let arguments = Launcher.arguments(of: configuration.commandName!)
    // The parser would take the subcommand's name for a run, and report missing options of a page.
    if arguments.first == Plot._commandName {
      do { return try Plot.parse(Array(arguments.dropFirst())).run() } catch {
        Launcher.exitBeforeStart(Plot.self, error)
      }
    }
    if arguments == ["help", Plot._commandName] { Plot.exit(withError: CleanExit.helpRequest()) }
    do { try parse(arguments).run() } catch { Launcher.exitBeforeStart(Self.self, error) }
  }

  func validate() throws {
    try require(!runs.isEmpty, "RUN", "one or more", "none")
    if let targetLoss { try require(targetLoss.isFinite, "--target-loss", "a number", targetLoss) }
    try page.check()
    try require(
      "--output", replaces: output, only: "a page", named: ".html", beginningWith: "<!doctype html")
  }

  private var page: OutputPath { OutputPath(flag: "--output", path: output) }

  func run() throws {
    // No other ranks exist to compare files with.
    OpenedFiles.stop()
    let content = Page(
      try Inputs(runs), title: title, target: target?.share, targetLoss: targetLoss)
    let bytes = Array(try content.html().utf8)
    try page.write(bytes)
    print("\(output): \(content.content), \((bytes.count + 1023) / 1024) KiB")
  }
}

/// Checks and writes the file of a page or plot; it replaces an earlier file as a whole.
struct OutputPath {
  let flag: String
  let path: String

  /// Checks that the file can be written.
  ///
  /// - Throws: `ValidationError` if it cannot.
  func check() throws {
    try require(!path.isEmpty, flag, "a path", "an empty one")
    var isDirectory: ObjCBool = false
    let isThere = FileManager.default.fileExists(atPath: path, isDirectory: &isDirectory)
    try require(
      !isDirectory.boolValue && !path.hasSuffix("/"), flag, "a file", "the directory '\(path)'")
    // The file is replaced, so its directory must be writable. Only regular files are replaced.
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

/// Holds a share of examples: "0.9" or "90%".
struct Accuracy: ExpressibleByArgument {
  let share: Double

  init?(argument: String) {
    let isPercent = argument.hasSuffix("%")
    let text = isPercent ? argument.dropLast() : argument[...]
    guard let value = Double(text.trimmingCharacters(in: .whitespaces)) else { return nil }
    share = isPercent ? value / 100 : value
    guard share > 0, share <= 1 else { return nil }
  }
}
