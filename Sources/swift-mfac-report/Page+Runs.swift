import Formats
import Foundation
import MPI
import Plots
import RunRecords

extension Page {
  /// The table with one row for each run.
  var summary: String {
    let hasAccuracy = runs.contains { $0.metrics.evaluations.contains { $0.accuracy != nil } }
    let hasError = runs.contains {
      $0.metrics.evaluations.contains { $0.rootMeanSquaredError != nil }
    }
    var head = ["run", "model", "optimizer", "parameters", "ranks", "steps"]
    let isOfSeveral = Set(runs.map { $0["dataset"] }).count > 1
    if isOfSeveral { head.insert("data", at: 1) }
    head += ["last training loss", "test loss", "lowest"]
    if hasAccuracy { head += ["test accuracy", "best"] }
    if hasError { head += ["test RMSE", "lowest"] }
    head += ["training s", "wall s"]
    let rows = runs.enumerated().map { index, run in
      let metrics = run.metrics
      let (last, all) = (metrics.evaluations.last, metrics.evaluations)
      var row: [Cell] = [
        .named(names[index], color: seedGroups.colors[index]), text(run["model"]),
        text(run["optimizer"]),
        .count(run.parameters), .count(run.ranks),
        .number(metrics.steps.last, digits: 0),
        .number(metrics[.loss]?.last.flatMap { $0.isFinite ? $0 : nil }, digits: 4),
        .number(last?.loss, digits: 4), .number(all.compactMap(\.loss).min(), digits: 4),
      ]
      if isOfSeveral { row.insert(text(run["dataset"]), at: 1) }
      if hasAccuracy {
        row += [last?.accuracy, all.compactMap(\.accuracy).max()].map {
          .number($0, digits: 2, unit: " %", scale: 100)
        }
      }
      if hasError {
        row += [last?.rootMeanSquaredError, all.compactMap(\.rootMeanSquaredError).min()].map {
          Cell.short($0)
        }
      }
      return row + [
        .duration(last?.trainingSeconds ?? metrics.seconds.last),
        .duration(last?.secondsSinceStart),
      ]
    }
    return Table(name: "runs", head: head, rows: rows).html
  }

  private func text(_ value: String?) -> Cell { value.map(Cell.text) ?? .empty }

  /// Remarks that matter when comparing the runs.
  var notes: String {
    var notes: [String] = []
    if Set(runs.compactMap { $0["dataset"] }).count > 1 {
      notes.append("These runs use different data: their losses and accuracies are not comparable.")
    }
    for (index, run) in runs.enumerated() {
      let metrics = run.metrics
      if metrics.skipped > 0 {
        notes.append(
          "\(names[index]): \(metrics.skipped) steps were skipped because gradients "
            + "were not finite.")
      }
      if metrics.evaluations.isEmpty {
        notes.append("\(names[index]): no evaluation yet.")
      }
      let planned = run["steps"].flatMap(Int.init)
      if let planned, let step = metrics.steps.last, step < Double(planned) {
        notes.append("\(names[index]): \(formatNumber(step, digits: 0)) of \(planned) steps.")
      }
    }
    return notes.map(HTML.paragraph).joined(separator: "\n")
  }

  /// The mean step of each run by phase, as a plot and a table.
  var phases: [String] {
    let all = runs.map(\.metrics.phases)
    let looks = PhaseLooks(of: all.flatMap { $0.map(\.name) })
    guard !looks.names.isEmpty else { return [] }
    let bars = zip(names, all).filter { !$1.isEmpty }.map { name, phases in
      BarPlot.Bar(
        name: shortened(name, to: 48), parts: phases.map { looks.part($0.name, $0.seconds) })
    }
    let plot = BarPlot(
      title: "A step by phase", valueTitle: "mean time of a step", groups: [("", bars)],
      format: formatSeconds)
    let figure = Figure(
      title: "A step by phase",
      note: "Means over all steps of rank 0; exchange phases include waiting for other ranks.",
      plots: [plot.element], legend: looks.names.map { (looks.part($0, 0).sample(of: $0), $0) })
    let rows = zip(names, all).enumerated().filter { !$0.element.1.isEmpty }.map { index, run in
      let (name, phases) = run
      let seconds = Dictionary(uniqueKeysWithValues: phases.map { ($0.name, $0.seconds) })
      return [
        .named(name, color: seedGroups.colors[index]),
        .seconds(phases.reduce(0) { $0 + $1.seconds }),
      ] + looks.names.map { Cell.seconds(seconds[$0]) }
    }
    return [
      figure.html, Table(name: "phases", head: ["run", "step"] + looks.names, rows: rows).html,
    ]
  }
}

/// Assigns colours to phases: one each for gradients, exchanges, the optimizer and the rest. Shades
/// distinguish the phases of a kind.
struct PhaseLooks {
  /// The phases that occur, kind by kind.
  let names: [String]
  private let looks: [String: (color: Int, opacity: Double)]

  init(of names: [String]) {
    let kinds = [Phase.computingGradients, Phase.exchanging, Phase.optimizing]
    let colors = [0, 4, 2]
    let known = kinds.flatMap { $0 }
    let others = Set(names).subtracting(known.map(\.rawValue))
    let order = Phase.allCases.map(\.rawValue)
    let rest = others.sorted {
      (order.firstIndex(of: $0) ?? order.count, $0) < (order.firstIndex(of: $1) ?? order.count, $1)
    }
    var looks: [String: (color: Int, opacity: Double)] = [:]
    for (kind, color) in zip(kinds.map { $0.map(\.rawValue) } + [rest], colors + [3]) {
      let used = kind.filter(names.contains)
      for (index, name) in used.enumerated() {
        looks[name] = (color, 1 - 0.75 * Double(index) / Double(used.count))
      }
    }
    self.looks = looks
    self.names = (known.map(\.rawValue) + rest).filter { looks[$0] != nil }
  }

  func part(_ name: String, _ seconds: Double) -> BarPlot.Part {
    let look = looks[name]
    return BarPlot.Part(value: seconds, color: look?.color, opacity: look?.opacity ?? 1)
  }
}

/// Shortens a name to `count` characters by leaving out its middle.
private func shortened(_ name: String, to count: Int) -> String {
  guard name.count > count else { return name }
  return "\(name.prefix(count / 2 - 1))…\(name.suffix(count - count / 2))"
}
