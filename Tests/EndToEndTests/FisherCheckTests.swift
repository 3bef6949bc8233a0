import Foundation
import RunRecords
import Support
import Testing

/// Tests `swift-mfac-fisher check` through the program.
@Suite(.serialized) struct FisherCheckTests {
  private let directory = try! TemporaryDirectory()

  private func check(_ arguments: [String], ranks: Int? = nil) throws -> Program.Outcome {
    try Program.run(
      Program.process(
        ranks: ranks, program: Program.fisher, ["check", "--dataset", "digits"] + arguments))
  }

  private func check(
    _ arguments: [String], json: String
  ) throws -> (report: FisherCheckReport, table: String) {
    let outcome = try check(arguments + ["--json", directory.path(json)])
    try #require(outcome.status == 0, "\(outcome.errors)")
    return (try Program.record(in: directory.path(json)), outcome.output)
  }

  /// Three layers without activations and with a squared error, in the table and in the file.
  @Test("a deep linear network is exact") func deepLinear() throws {
    let model = try directory.write(
      """
      input: [1, 8, 8]
      layers:
        - flatten
        - linear: {in: 64, out: 7}
        - linear: {in: 7, out: 5}
        - linear: {in: 5, out: 10}
      """, to: "linear.yaml")
    let (report, table) = try check(
      ["--model", model, "--loss", "mean-squared-error", "--examples", "6"], json: "linear.json")
    #expect(report.layers.count == 3 && report.examples == 6)
    for layer in report.layers {
      let (type2, drawn) = try (#require(layer.type2), #require(layer.monteCarlo))
      let expand = try #require(type2.expand)
      #expect(expand.isExact && expand.relative.value < 1e-8 && layer.auto == nil)
      #expect(drawn.expand?.isExact == false && layer.empirical.expand?.isExact == false)
      #expect(table.contains("exact*"))
    }
  }

  /// The table has the file's numbers, and marks the setting that `auto` takes. The weights are
  /// drawn or read, and the output says which.
  @Test("the table agrees with the file") func tableAndFile() throws {
    let (report, table) = try check(
      ["--model", "resnet20", "--examples", "2", "--fisher-samples", "3"], json: "resnet.json")
    let lines = table.split(separator: "\n").map(String.init)
    func isSame(_ text: Substring, _ distance: FisherCheckReport.Distance, _ mark: Bool) -> Bool {
      guard text.hasSuffix("*") == mark else { return false }
      let number = text.hasSuffix("*") ? text.dropLast() : text
      if distance.isExact { return number == "exact" }
      // The table shows at least two digits.
      return Double(number).map { abs($0 / distance.relative.value - 1) <= 0.051 } ?? false
    }
    #expect(report.layers.contains { $0.isNormalization })
    #expect(report.layers.contains { $0.auto == "reduce" && $0.positions > 1 })
    for layer in report.layers {
      let line = try #require(lines.first { $0.hasPrefix("\(layer.name) ") })
      let words = line.replacing("(norm)", with: "").split(separator: " ")
      var cells = Array(words.dropFirst(layer.isNormalization ? 2 : 3))
      try #require(cells.count == 7)
      for (kind, settings) in [layer.type2, layer.monteCarlo, layer.empirical].enumerated() {
        let settings = try #require(settings)
        if layer.isNormalization {
          let (diagonal, block) = try (#require(settings.diagonal), #require(settings.block))
          #expect(isSame(cells[0], diagonal, true) && isSame(cells[1], block, false))
          // Draws alone are not the block's own vectors.
          #expect(!diagonal.isExact && block.isExact == (kind != 1))
          cells.removeFirst(2)
          continue
        }
        let (expand, reduce) = try (#require(settings.expand), #require(settings.reduce))
        if layer.auto == nil {
          #expect(isSame(cells[0], expand, true) && cells[1] == "=")
          #expect(expand.relative == reduce.relative)
        } else {
          #expect(isSame(cells[0], expand, layer.auto == "expand"))
          #expect(isSame(cells[1], reduce, layer.auto == "reduce"))
        }
        cells.removeFirst(2)
      }
      #expect(isSame(cells[0], try #require(layer.empiricalFromGaussNewton), false))
    }
    let single = try #require(report.mfac["float32"]).value
    let half = try #require(report.mfac["bfloat16"]).value
    #expect(single < 1e-5 && half > 1e-4 && half < 1e-2)
  }

  @Test("weights may come from a file") func weightFile() throws {
    let run = directory.path("run")
    let outcome = try Program.train([
      "--dataset", "digits", "--model", "mlp", "--epochs", "1", "--run-directory", run,
    ])
    try #require(outcome.status == 0, "\(outcome.errors)")
    let drawn = try check(["--model", "mlp"], json: "drawn.json")
    let read = try check(
      ["--model", "mlp", "--weights", "\(run)/model.safetensors"], json: "read.json")
    #expect(read.table.contains("weights    \(run)/model.safetensors"))
    #expect(drawn.table.contains("weights    drawn by seed 0"))
    for (a, b) in zip(drawn.report.layers, read.report.layers) {
      #expect(a.empirical.expand?.relative != b.empirical.expand?.relative)
    }
  }

  @Test("impossible checks are refused") func refusedChecks() throws {
    let existing = try directory.write("", to: "there.json")
    for (arguments, ranks, message) in [
      (["--model", "mlp"], 2, "check: runs on a single rank: expected 1 rank, got 2"),
      (["--examples", "0"], nil, "--examples: expected in 1...100000, got 0"),
      (["--examples", "1438"], nil, "expected 1 to 1437, got 1438"),
      (
        ["--model", "resnet20", "--examples", "1437"], nil,
        "would take too long with this network: expected at most "
      ),
      (["--fisher-samples", "0"], nil, "--fisher-samples: expected in 1...1000000, got 0"),
      (["--model", "mlp", "--weights", existing], nil, "there.json: "),
      (["--json", existing], nil, "already exists: expected another name"),
      (["--json", directory.path("no/file.json")], nil, "cannot be created"),
      (["--model", "unknown"], nil, "--model: unknown network: expected mlp"),
    ] as [([String], Int?, String)] {
      let outcome = try check(arguments, ranks: ranks)
      #expect(outcome.status != 0 && outcome.errors.contains(message), "\(outcome.errors)")
      #expect(outcome.errors.components(separatedBy: "Error: ").count == 2, "\(outcome.errors)")
    }
  }
}
