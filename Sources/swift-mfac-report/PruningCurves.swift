import Formats
import Foundation
import Plots
import RunRecords

/// Draws pruning reports: accuracy, loss or its predicted change over sparsity.
struct PruningCurves {
  /// Selects the quantity to draw: the first one that the reports have.
  enum Kind: CaseIterable {
    case accuracy, loss
    case prediction
  }

  let reports: [(path: String, contents: PruningReport)]
  let kind: Kind

  /// Reads reports of one kind.
  ///
  /// - Throws: `InputError` naming a file that is not a report, or is one of another kind.
  init(ofReports paths: [String]) throws {
    reports = try paths.map { path in
      let data = Data(try InputFile.contents(of: path))
      do {
        return (path, try JSONText.decoder.decode(PruningReport.self, from: data))
      } catch {
        throw InputError(
          path, "is not a pruning report", expected: "a report.json of swift-mfac-prune")
      }
    }
    kind = reports[0].contents.kind
    for (path, contents) in reports where contents.kind != kind {
      throw InputError(
        path, "is of another kind than \(paths[0])", expected: "reports of \(kind)",
        got: "one of \(contents.kind)")
    }
  }

  /// True if no report has a number to draw. Magnitude pruning predicts no loss, and an external
  /// model cannot be evaluated here.
  var isEmpty: Bool {
    reports.allSatisfy { $0.contents.keeping.allSatisfy { value(of: $0) == nil } }
  }

  var plot: LinePlot {
    let names = names
    var series = reports.enumerated().map { index, report in
      LinePlot.Series(
        name: names[index], color: index, look: .measured,
        points: [
          report.contents.keeping.compactMap { result in
            value(of: result).map { (Self.place(of: result.sparsity), $0) }
          }.sorted { $0.x < $1.x }
        ])
    }
    // The lines for the networks before pruning span the curves.
    let places = reports.flatMap { $0.contents.keeping.map { Self.place(of: $0.sparsity) } }
    let dense = reports.compactMap { value(of: $0.contents.dense) }
    for value in Set(dense).sorted(by: >) {
      series.append(
        LinePlot.Series(
          name: "before pruning, \(format(value, digits: kind == .accuracy ? 2 : 4))", color: nil,
          look: .computed,
          points: [[(places.min() ?? 1, value), (places.max() ?? 1, value)]]))
    }
    let networks = Set(reports.map(\.contents.title))
    return LinePlot(
      title: networks.count == 1 ? networks.first! : "Pruned networks", xTitle: "sparsity",
      places: .named { "\((10_000 * (1 - 1 / $0)).rounded() / 10_000)" },
      panels: [
        .init(
          title: kind == .prediction ? "predicted change of the loss" : "\(kind)", scale: .linear,
          beginsAtZero: false,
          format: { kind == .accuracy ? "\(formatShort($0)) %" : formatShort($0) })
      ], series: series)
  }

  /// Returns the ratio of all weights to kept ones, which spreads high sparsities.
  private static func place(of sparsity: Double) -> Double { 1 / (1 - sparsity) }

  /// Returns the accuracy in percent, or the loss.
  private func value(of quality: PruningReport.Quality?) -> Double? {
    kind == .accuracy ? quality?.accuracy.map { 100 * $0 } : quality?.loss.finite
  }

  private func value(of result: PruningReport.Result) -> Double? {
    kind == .prediction ? result.predictedChange : value(of: result.quality)
  }

  private func format(_ value: Double, digits: Int) -> String {
    formatNumber(value, digits: digits) + (kind == .accuracy ? " %" : "")
  }

  /// Names for the legend: the method and the settings that differ; the file is added to equal
  /// names.
  var names: [String] {
    let all = reports.map(\.contents.settings)
    let differing = Set(all.flatMap(\.keys)).filter { key in
      // Some settings exist only for some methods.
      Set(all.compactMap { $0[key] }).count > 1
    }.sorted()
    let networks = Set(reports.map(\.contents.title))
    let names = reports.map { report in
      let contents = report.contents
      let settings = differing.compactMap { key in contents.settings[key].map { "\(key) \($0)" } }
      return ([contents.method] + settings + (networks.count > 1 ? [contents.title] : []))
        .joined(separator: ", ")
    }
    return zip(names, reports).map { name, report in
      names.count { $0 == name } > 1 ? "\(name), \(report.path)" : name
    }
  }
}

extension PruningReport {
  /// The results with kept weights; a sparsity of 1 has no position on the axis.
  fileprivate var keeping: [Result] { results.filter { $0.sparsity < 1 } }

  fileprivate var kind: PruningCurves.Kind {
    dense.map { $0.accuracy == nil ? .loss : .accuracy } ?? .prediction
  }

  fileprivate var title: String {
    let file = network.split(separator: "/").last.map(String.init) ?? network
    return "\(file), \(data.split(separator: ":").first ?? "")"
  }
}
