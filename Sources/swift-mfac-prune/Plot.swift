import ArgumentParser
import ProgramOptions
import Results

struct Plot: ParsableCommand {
  static let configuration = CommandConfiguration(
    _superCommandName: Prune._commandName,
    abstract: "Draws the curves of several reports in one plot.",
    discussion: """
      Accuracy over sparsity, or loss where there is none. The legend tells methods apart, and \
      what else of their settings differs.
      """)

  @Argument(help: "The report.json files of --sweep, or of single sparsities.", completion: .file())
  var reports: [String]

  @Option(help: "The file for the plot, as SVG; it is replaced.", completion: .file())
  var output: String

  func validate() throws {
    try require(!output.isEmpty, "--output", "a path", "an empty one")
    try require(
      "--output", replaces: output, only: "a plot", named: ".svg", beginningWith: "<?xml", "<svg")
  }

  func run() throws {
    let curves = try PruningCurves(ofReports: reports)
    try require(
      !curves.isEmpty, "reports", "some of accuracies, losses or predicted changes of it", "none")
    try curves.write(to: output)
  }
}
