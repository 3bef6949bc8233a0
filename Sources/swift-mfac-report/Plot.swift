import ArgumentParser
import FileRecords
import ProgramOptions
import RunRecords

struct Plot: ParsableCommand {
  static let configuration = CommandConfiguration(
    _superCommandName: Report._commandName,
    abstract: "Draws pruning reports or benchmark results as SVG.",
    discussion: """
      Pruning reports give accuracy (or loss) over sparsity. The legend shows the settings that \
      differ.
      """)

  @Argument(
    help: """
      Files report.json of swift-mfac-prune, or one --json file of swift-mfac-bench.
      """, completion: .file())
  var reports: [String]

  @Option(help: "The SVG file to write; an existing plot is replaced.", completion: .file())
  var output: String

  func validate() throws {
    try file.check()
    try require(
      "--output", replaces: output, only: "a plot", named: ".svg", beginningWith: "<?xml", "<svg")
  }

  private var file: OutputPath { OutputPath(flag: "--output", path: output) }

  func run() throws {
    // No other ranks exist to compare files with.
    OpenedFiles.stop()
    try file.write(Array(try svg().utf8))
  }

  private func svg() throws -> String {
    // A file that is not JSON is refused below as not being a pruning report.
    if reports.count == 1, let form = try? Benchmark.Form(of: reports[0]), form != .pruning {
      return try Benchmark(of: reports[0]).svg
    }
    let curves = try PruningCurves(ofReports: reports)
    try require(
      !curves.isEmpty, "reports", "some of accuracies, losses or predicted changes of it", "none")
    return curves.plot.svg
  }
}

extension Benchmark {
  fileprivate var svg: String {
    switch self {
    case .scaling(let curves): curves.plot(withSpeedUp: false).svg
    case .step(let report): report.plot.svg
    case .window(let reports): WindowReport.plot(of: reports).svg
    case .networks(let reports): NetworkReport.plot(of: reports).svg
    }
  }
}
