import Foundation
import Support
import Testing

extension PruneOutputTests {
  private func plot(_ arguments: [String]) throws -> (status: Int32, errors: String) {
    let outcome = try Program.run(
      Program.process(ranks: nil, program: Program.report, ["plot"] + arguments))
    return (outcome.status, outcome.errors)
  }

  /// The output of a sweep gives the command that draws its curve; several reports are
  /// distinguished by their differences.
  @Test("curves of sweeps are drawn") func curves() throws {
    var reports: [String] = []
    for (name, arguments) in [
      ("plain", []), ("staged", ["--method", "mfac", "--gradients", "20", "--stages", "2"]),
      ("single", ["--method", "mfac", "--gradients", "20"]),
    ] {
      let (output, text, status, errors) = try prune(
        ranks: 2, "mlp", to: "curve-\(name)",
        ["--sweep", "0.5,0.9,0.98"] + arguments)
      try #require(status == 0, "\(errors)")
      reports.append("\(output)/report.json")
      let command = ["\(output)/report.json", "--output", "\(output)/curve.svg"]
      let line = "To plot its curve: swift-mfac-report plot \(command.joined(separator: " "))\n"
      #expect(text.hasSuffix(line), "\(text)")
      #expect(try plot(command).status == 0)
      let curve = try String(contentsOfFile: "\(output)/curve.svg", encoding: .utf8)
      // The markers of three points, and that of the legend.
      #expect(curve.components(separatedBy: "<circle").count == 5)
      for text in [">accuracy<", ">sparsity<", ">0.98<", ">mlp, digits<", ">before pruning, "] {
        #expect(curve.contains(text), "\(text)")
      }
    }
    let file = directory.path("all.svg")
    for _ in 0..<2 {
      let (status, errors) = try plot(reports + ["--output", file])
      try #require(status == 0, "\(errors)")
    }
    let all = try String(contentsOfFile: file, encoding: .utf8)
    for name in ["magnitude, stages 1", "mfac, stages 2", "mfac, stages 1"] {
      #expect(all.contains(">\(name)<"), "\(name)")
    }
    // Two reports with the same settings are distinguished by their files.
    _ = try plot([reports[0], reports[0], "--output", file])
    #expect(
      try String(contentsOfFile: file, encoding: .utf8).contains(">magnitude, \(reports[0])<"))

    // The loss is drawn for a report without classes, and not together with accuracies.
    let losses = try directory.write(
      try String(contentsOfFile: reports[1], encoding: .utf8)
        .replacing("\"accuracy\"", with: "\"other\""), to: "losses.json")
    _ = try plot([losses, "--output", file])
    #expect(try String(contentsOfFile: file, encoding: .utf8).contains(">loss<"))
    let (mixed, mixedErrors) = try plot([losses, reports[0], "--output", file])
    #expect(mixed != 0 && mixedErrors.contains("\(reports[0]): is of another kind than"))

    // Neither a single sparsity nor a file that is not a report gives a curve.
    let (_, text, _, _) = try prune("mlp", to: "one", ["--sparsity", "0.5"])
    #expect(!text.contains("swift-mfac-report"))
    for (arguments, says) in [
      ([directory.path("nothing.json")], "nothing.json"), ([file], "is not a pruning report"),
      ([], "<reports>"),
    ] {
      let (status, errors) = try plot(arguments + ["--output", directory.path("none.svg")])
      #expect(status != 0 && errors.contains(says), "\(errors)")
      #expect(!FileManager.default.fileExists(atPath: directory.path("none.svg")))
    }
    let old = try Program.run(
      Program.process(
        ranks: nil, program: Program.prune, ["plot", reports[0], "--output", file]))
    #expect(old.status != 0 && old.errors.contains("'swift-mfac-report plot'"), "\(old.errors)")
  }
}
