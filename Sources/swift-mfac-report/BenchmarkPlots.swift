import Formats
import Plots
import RunRecords

extension ScalingCurves {
  /// Plots seconds and efficiency over the ranks and, if requested, speed-up with its ideal line.
  func plot(withSpeedUp: Bool) -> LinePlot {
    var series: [LinePlot.Series] = []
    for (color, curve) in curves.enumerated() {
      for (results, what) in [(curve.predicted, "predicted"), (curve.measured, "measured")]
      where !results.isEmpty {
        func points(_ value: (StepResult) -> Double?) -> [(x: Double, y: Double)] {
          results.compactMap { result in value(result).map { (Double(result.ranks), $0) } }
        }
        series.append(
          LinePlot.Series(
            name: "\(name(of: curve.problem)), \(what)", color: color,
            look: what == "predicted" ? .computed : .measured,
            points: [points(\.seconds), points(\.efficiency)]
              + (withSpeedUp ? [points(\.speedUp)] : [])))
      }
    }
    let titles = Set(curves.map(\.problem.title))
    var panels: [LinePlot.Panel] = [
      .init(title: "time of a step", scale: .logarithmic, format: formatSeconds),
      .init(title: "efficiency", scale: .linear, reference: 1, format: formatShort),
    ]
    if withSpeedUp {
      panels.append(.init(title: "speed-up", scale: .logarithmic, format: formatShort))
      let ranks = Set(curves.flatMap { ($0.measured + $0.predicted).map { Double($0.ranks) } })
      series.append(
        LinePlot.Series(
          name: "ideal speed-up", color: nil, look: .computed,
          points: [[], [], ranks.sorted().map { (x: $0, y: $0) }]))
    }
    return LinePlot(
      title: titles.count == 1 ? titles.first! : "Scaling", xTitle: "ranks", panels: panels,
      series: series)
  }
}

extension StepReport {
  var plot: BarPlot {
    BarPlot(
      title: title, valueTitle: "time per step of the slowest rank (line to the fastest)",
      groups: [
        (
          name: "",
          bars: result.phases.map {
            BarPlot.Bar(
              name: $0.phase, value: $0.seconds, range: $0.fastestSeconds...$0.seconds)
          }
        )
      ], format: formatSeconds)
  }
}

extension WindowReport {
  static func plot(of reports: [WindowReport]) -> BarPlot {
    let sizes = Set(reports.map(\.parameters)).sorted().map(String.init)
    return BarPlot(
      title: "A step's work on the window, d = \(sizes.joined(separator: ", ")), one core",
      valueTitle: "median time",
      groups: reports.map { report in
        let isStaged = report.type != "float32" || report.density != 1
        let parts = [("Gram row", "gram_row"), ("direction", "direction"), ("factor", "factor")]
        let bars = (parts + (isStaged ? [("stage", "stage")] : [])).compactMap { name, key in
          report.seconds[key].map { BarPlot.Bar(name: name, value: $0) }
        }
        let streaming = BarPlot.Bar(
          name: "streaming", value: Double(report.bytes) / report.streamingBytesPerSecond)
        return (name: report.title, bars: [streaming] + bars)
      }, format: formatSeconds)
  }
}

extension NetworkReport {
  static func plot(of reports: [NetworkReport]) -> BarPlot {
    let batches = Set(reports.map(\.batch)).sorted().map(String.init).joined(separator: ", ")
    return BarPlot(
      title: "Forward and backward, batch \(batches), one core",
      valueTitle: "median time of a batch",
      groups: Dictionary(grouping: reports, by: \.network).sorted { $0.key < $1.key }.map {
        (
          name: $0.key,
          bars: $0.value.map {
            BarPlot.Bar(name: "in \($0.microBatches)", value: $0.medianMs / 1000)
          }
        )
      }, format: formatSeconds)
  }
}
