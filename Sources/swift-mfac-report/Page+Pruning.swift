import Plots
import RunRecords

extension Page {
  /// Draws the curves of pruned networks, in one figure for each kind.
  ///
  /// - Throws: `InputError` naming a report that cannot be used.
  func pruning() throws -> [String] {
    // Accuracies and predicted changes of the loss cannot share an axis.
    let kinds: [(PruningCurves.Kind, String)] = try inputs.prunings.map {
      (try PruningCurves(ofReports: [$0]).kind, $0)
    }
    return try PruningCurves.Kind.allCases.flatMap { kind in
      let paths = kinds.filter { $0.0 == kind }.map(\.1)
      return paths.isEmpty ? [] : pruning(try PruningCurves(ofReports: paths))
    }
  }

  private func pruning(_ curves: PruningCurves) -> [String] {
    let names = curves.names
    let rows = curves.reports.enumerated().flatMap { color, report -> [[Cell]] in
      let contents = report.contents
      func row(
        sparsity: Double, kept: Int, _ quality: PruningReport.Quality?, change: Double?,
        multiplyAdds: Int?, bytes: Int?, seconds: Double?
      ) -> [Cell] {
        [
          .named(names[color], color: color), .number(sparsity, digits: 4), .count(kept),
          .number(quality?.loss.finite, digits: 4),
          .number(quality?.accuracy, digits: 2, unit: " %", scale: 100), .short(change),
          .count(multiplyAdds), .count(bytes), .number(seconds, digits: 2),
        ]
      }
      let before = contents.dense.map {
        row(
          sparsity: 0, kept: contents.prunable, $0, change: nil,
          multiplyAdds: contents.multiplyAdds, bytes: nil, seconds: nil)
      }
      return [before].compactMap { $0 }
        + contents.results.map { result in
          row(
            sparsity: result.sparsity, kept: result.kept, result.quality,
            change: result.predictedChange, multiplyAdds: result.multiplyAdds,
            bytes: result.bytes.sparse ?? result.bytes.model,
            seconds: result.seconds.total)
        }
    }
    let head = [
      "method", "sparsity", "kept", "test loss", "accuracy", "predicted change", "multiply-adds",
      "bytes", "seconds",
    ]
    let figure =
      curves.isEmpty
      ? "" : Figure(curves.plot, panels: 0..<1, title: curves.plot.title).html
    return [figure, Table(name: "pruning \(curves.kind)", head: head, rows: rows).html]
  }
}
