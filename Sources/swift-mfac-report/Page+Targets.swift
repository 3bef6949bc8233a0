import Formats
import Foundation

extension Page {
  /// Holds a test accuracy or loss; the report shows each run's time to reach it.
  private struct Target {
    let name: String
    let value: Double
    /// The value as displayed.
    let text: String
    let isGiven: Bool
    let isAccuracy: Bool

    func value(of evaluation: Metrics.Evaluation) -> Double? {
      isAccuracy ? evaluation.accuracy : evaluation.loss
    }

    func isReached(by evaluation: Metrics.Evaluation) -> Bool {
      guard let reached = value(of: evaluation) else { return false }
      return isAccuracy ? reached >= value : reached <= value
    }

    func cell(_ value: Double?) -> Cell {
      isAccuracy
        ? .number(value, digits: 2, unit: " %", scale: 100) : .number(value, digits: 4)
    }
  }

  /// The tables of steps and seconds that each run needed to reach a target.
  var targets: [String] {
    let evaluations = runs.map(\.metrics.evaluations)
    let accuracies = evaluations.compactMap { $0.compactMap(\.accuracy).max() }
    let losses = evaluations.compactMap { $0.compactMap(\.loss).min() }
    var targets: [Target] = []
    if let value = target ?? (targetLoss == nil ? accuracies.min() : nil) {
      targets.append(
        Target(
          name: "accuracy", value: value, text: formatNumber(100 * value, digits: 2) + " %",
          isGiven: target != nil, isAccuracy: true))
    }
    let isLossWanted = target == nil && accuracies.isEmpty
    if let value = targetLoss ?? (isLossWanted ? losses.max() : nil) {
      targets.append(
        Target(
          name: "loss", value: value, text: formatNumber(value, digits: 4),
          isGiven: targetLoss != nil,
          isAccuracy: false))
    }
    return targets.map(html)
  }

  private func html(_ target: Target) -> String {
    let reached = runs.map { $0.metrics.evaluations.first(where: target.isReached) }
    let fastest = reached.compactMap { $0?.trainingSeconds }.min()
    let rows = reached.enumerated().map { index, evaluation -> [Cell] in
      [
        .named(names[index], color: seedGroups.colors[index]), .count(evaluation?.step),
        .duration(evaluation?.trainingSeconds),
        .number(ratio(evaluation?.trainingSeconds, to: fastest), digits: 2, unit: " ×"),
        target.cell(evaluation.flatMap(target.value)),
      ]
    }
    let heading =
      "Test \(target.name) of at \(target.isAccuracy ? "least" : "most") \(target.text)"
      + (target.isGiven || runs.count == 1 ? "" : ", the best that all evaluated runs reach")
      + ": the first evaluation that reaches it. Times are training times."
    return HTML.paragraph(heading)
      + Table(
        name: "target-\(target.name)",
        head: ["run", "steps", "seconds", "of the fastest", "\(target.name) reached"], rows: rows
      ).html + means(target, reached)
  }

  /// Tabulates means over each seed group; steps and seconds only if all of its runs reached the
  /// target.
  private func means(_ target: Target, _ reached: [Metrics.Evaluation?]) -> String {
    guard seedGroups.haveSeveralSeeds else { return "" }
    func mean(_ values: [Double?]) -> Double? {
      let known = values.compactMap { $0 }
      return known.isEmpty || known.count < values.count
        ? nil : known.reduce(0, +) / Double(known.count)
    }
    let seconds = seedGroups.groups.map { group in
      mean(group.map { reached[$0]?.trainingSeconds })
    }
    let fastest = seconds.compactMap { $0 }.min()
    let rows = seedGroups.groups.enumerated().map { index, group -> [Cell] in
      let last = group.map { runs[$0].metrics.evaluations.last.flatMap(target.value) }
      return [
        .named(seedGroups.name(ofGroup: index, of: names), color: index),
        target.cell(mean(last)), target.cell(last.compactMap { $0 }.min()),
        target.cell(last.compactMap { $0 }.max()),
        .number(mean(group.map { reached[$0].map { Double($0.step) } }), digits: 0),
        .duration(seconds[index]),
        .number(ratio(seconds[index], to: fastest), digits: 2, unit: " ×"),
      ]
    }
    let head = [
      "settings", "last test \(target.name), mean", "lowest", "highest",
      "steps to the target, mean",
      "seconds, mean", "of the fastest",
    ]
    return HTML.paragraph(
      "Means over the seeds of equal settings; steps and seconds only if all seeds reach it.")
      + Table(name: "means-\(target.name)", head: head, rows: rows).html
  }

  private func ratio(_ seconds: Double?, to fastest: Double?) -> Double? {
    guard let seconds, let fastest, fastest > 0 else { return nil }
    return seconds / fastest
  }
}
