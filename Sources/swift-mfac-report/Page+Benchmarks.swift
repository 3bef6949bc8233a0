import Formats
import Foundation
import Plots
import RunRecords

extension Page {
  /// The plots and tables of all benchmarks, measured and predicted.
  var benchmarks: [String] {
    let files = distinguishableNames(of: inputs.benchmarks.map(\.path))
    return zip(inputs.benchmarks, files).map { benchmark, file in
      switch benchmark.results {
      case .scaling(let curves): scaling(curves, file)
      case .step(let report): step(report, file)
      case .window(let reports): window(reports, file)
      case .networks(let reports): networks(reports, file)
      }
    }
  }

  private func scaling(_ curves: ScalingCurves, _ file: String) -> String {
    let plot = curves.plot(withSpeedUp: true)
    let rows = curves.curves.enumerated().flatMap { color, curve in
      let name = curves.name(of: curve.problem)
      return (curve.measured.map { ($0, "measured") } + curve.predicted.map { ($0, "predicted") })
        .map { result, what -> [Cell] in
          [
            .named(name, color: color), .text(what), .count(result.ranks),
            .seconds(result.seconds), .number(result.speedUp, digits: 2),
            .number(result.efficiency, digits: 3), .count(result.messages), .count(result.bytes),
          ]
        }
    }
    let title =
      curves.curves.count == 1
      ? "\(plot.title), \(curves.curves[0].problem.scalingTitle)" : plot.title
    let links = curves.curves.compactMap(\.link).map {
      "latency \(formatSeconds($0.latency)), \(formatShort($0.bandwidth / 1e9)) GB/s"
    }
    let predicted =
      links.isEmpty ? "" : "Dashed: predicted with \(Set(links).sorted().joined(separator: "; "))."
    let head = ["curve", "how", "ranks", "step", "speed-up", "efficiency", "messages", "bytes"]
    return Figure(
      plot, panels: 0..<3, title: "\(file): \(title)", note: predicted
    ).html + Table(name: "scaling \(file)", head: head, rows: rows).html
  }

  private func step(_ report: StepReport, _ file: String) -> String {
    let rows = report.result.phases.map { phase -> [Cell] in
      [
        .text(phase.phase), .seconds(phase.seconds), .seconds(phase.fastestSeconds),
        .count(phase.messages), .count(phase.bytes),
      ]
    }
    let whole: [Cell] = [
      .text("step"), .seconds(report.result.seconds), .empty, .count(report.result.messages),
      .count(report.result.bytes),
    ]
    return Figure(title: "\(file): \(report.title)", plots: [report.plot.element]).html
      + Table(
        name: "step \(file)",
        head: ["phase", "slowest rank", "fastest rank", "messages", "bytes"], rows: rows + [whole]
      ).html
  }

  private func window(_ reports: [WindowReport], _ file: String) -> String {
    let parts = ["stage", "gram_row", "direction", "passes", "factor"]
    let rows = reports.map { report -> [Cell] in
      [.text(report.title), .count(report.parameters), .count(report.bytes)]
        + parts.map { .seconds(report.seconds[$0]) }
        + [
          .number(report.streamingBytesPerSecond, digits: 1, unit: " GB/s", scale: 1e-9)
        ]
    }
    let head = ["window", "d", "bytes", "stage", "Gram row", "direction", "both passes", "factor"]
    return Figure(
      title: "\(file): a step's work on the window, on one core",
      plots: [WindowReport.plot(of: reports).element]
    ).html + Table(name: "window \(file)", head: head + ["streaming"], rows: rows).html
  }

  private func networks(_ reports: [NetworkReport], _ file: String) -> String {
    let rows = reports.map { report -> [Cell] in
      [
        .text(report.network), .count(report.batch), .count(report.microBatches),
        .number(report.medianMs, digits: 3), .number(report.minimumMs, digits: 3),
        .count(report.repetitions),
      ]
    }
    let head = ["network", "batch", "micro-batches", "median ms", "minimum ms", "repetitions"]
    return Figure(
      title: "\(file): forward and backward, on one core",
      plots: [NetworkReport.plot(of: reports).element]
    ).html + Table(name: "networks \(file)", head: head, rows: rows).html
  }
}
