import Foundation
import Plots

/// Draws a quantity over steps and over seconds.
struct Curve {
  /// Selects a quantity; each run that has it gets a line.
  struct Line {
    let name: String
    let look: LinePlot.Look
    let points: (TrainingRun) -> CurvePoints?
  }

  let title: String
  let unit: String
  let lines: [Line]
  /// True if means are drawn over the values of single steps.
  let isNoisy: Bool
  /// The scale of the values; nil chooses the scale that separates them best.
  let scale: Axis.Scale?

  /// Width of the moving mean, in percent of a run's steps.
  static let smoothedShare = 2
  /// The largest number of runs whose single steps are drawn; with more, they would hide one
  /// another.
  static let mostRaw = 8
  static func hidesRaw(runs: Int) -> Bool { runs > mostRaw }

  init(
    _ title: String, unit: String = "", isNoisy: Bool = false, scale: Axis.Scale? = nil,
    lines: [Line]
  ) {
    (self.title, self.unit, self.lines) = (title, unit, lines)
    (self.isNoisy, self.scale) = (isNoisy, scale)
  }

  /// Creates a figure with one line for each run.
  init(
    _ title: String, unit: String = "", look: LinePlot.Look = .line, isNoisy: Bool = false,
    scale: Axis.Scale? = nil, points: @escaping (TrainingRun) -> CurvePoints?
  ) {
    self.init(
      title, unit: unit, isNoisy: isNoisy, scale: scale,
      lines: [Line(name: "", look: look, points: points)])
  }

  /// Holds a line as it is drawn and as it is written in JSON below the plots.
  private struct Drawn {
    /// The colour of the line's run.
    let color: Int
    let name: String
    let kind: String
    let look: LinePlot.Look
    let points: CurvePoints
  }

  /// Returns the figure's HTML.
  ///
  /// - Returns: nil if no run has the quantity.
  func figure(
    of runs: [TrainingRun], _ seedGroups: SeedGroups, _ names: [String], columns: Int
  ) -> String? {
    var drawn: [Drawn] = []
    for line in lines {
      for (index, run) in runs.enumerated() {
        guard let all = line.points(run)?.known else { continue }
        func add(_ kind: String, _ look: LinePlot.Look, _ points: CurvePoints) {
          drawn.append(
            Drawn(
              color: seedGroups.colors[index], name: names[index], kind: kind, look: look,
              points: points.thinned(columns: columns)))
        }
        let width = all.values.count * Self.smoothedShare / 100
        guard isNoisy, width > 1 else {
          add(line.name.isEmpty ? "values" : line.name, line.look, all)
          continue
        }
        if !Self.hidesRaw(runs: runs.count) { add("values", .faint, all) }
        add("means of \(2 * (width / 2) + 1)", line.look, all.smoothed(width: width))
      }
    }
    guard !drawn.isEmpty else { return nil }
    let scale =
      scale ?? Axis.suitableScale(for: drawn.lazy.flatMap(\.points.values).filter { $0 != 0 })
    let dropped =
      scale == .linear
      ? 0 : drawn.reduce(0) { $0 + $1.points.values.count { $0 <= 0 } }
    let longest = drawn.compactMap(\.points.seconds.last).max() ?? 0
    let (second, unit) = Self.unit(of: longest)
    let plots = [
      plot(drawn, scale, "step") { $0.steps },
      plot(drawn, scale, "training time, \(unit)") { $0.seconds.map { $0 / second } },
    ]
    var figure = Figure(
      title: title, note: note(dropped: dropped), plots: plots.map { $0.element(ofPanel: 0) },
      legend: legend(drawn, plots[0], seedGroups, names))
    figure.points = json(drawn)
    return figure.html
  }

  private func plot(
    _ drawn: [Drawn], _ scale: Axis.Scale, _ xTitle: String, _ x: (CurvePoints) -> [Double]
  ) -> LinePlot {
    let label = title.lowercased().replacing("rmse", with: "RMSE").replacing("gram", with: "Gram")
    return LinePlot(
      title: title, xTitle: xTitle, places: .linear,
      panels: [
        .init(
          title: label + (unit.isEmpty ? "" : ", \(unit)"), scale: scale, beginsAtZero: false)
      ],
      series: drawn.map { line in
        LinePlot.Series(
          name: line.name, color: line.color, look: line.look,
          points: [Array(zip(x(line.points), line.points.values)).map { (x: $0, y: $1) }])
      })
  }

  private func note(dropped: Int) -> String {
    var notes: [String] = []
    if lines.count > 1 {
      notes.append("Solid: the largest. Dashed: the median. Dotted: the smallest.")
    }
    if dropped > 0 { notes.append("A logarithmic axis shows positive values only.") }
    return notes.joined(separator: " ")
  }

  /// Lists each colour once, with its most visible line.
  private func legend(
    _ drawn: [Drawn], _ plot: LinePlot, _ seedGroups: SeedGroups, _ names: [String]
  ) -> [(sample: String, name: String)] {
    var known: Set<Int> = []
    return zip(drawn, plot.series).filter { line, _ in
      line.look != .faint && known.insert(line.color).inserted
    }.sorted { $0.0.color < $1.0.color }.map {
      ($1.sample, seedGroups.name(ofColor: $0.color, of: names))
    }
  }

  /// Returns the unit for times of up to `longest` seconds.
  private static func unit(of longest: Double) -> (seconds: Double, name: String) {
    switch longest {
    case ..<1: (1e-3, "ms")
    case ..<180: (1, "seconds")
    case ..<7200: (60, "minutes")
    case ..<(4 * 86400): (3600, "hours")
    default: (86400, "days")
    }
  }

  /// Returns the points as JSON; null replaces numbers that are not finite.
  private func json(_ drawn: [Drawn]) -> String {
    let lines = drawn.map { line in
      let points = line.points
      func list(_ values: [Double]) -> String {
        "[\(values.map { $0.isFinite ? "\($0)" : "null" }.joined(separator: ","))]"
      }
      // Digits below the microsecond are only rounding of the sum.
      let seconds = points.seconds.map { abs($0) < 1e9 ? ($0 * 1e6).rounded() / 1e6 : $0 }
      return """
        {"run":\(Self.json(line.name)),"kind":\(Self.json(line.kind)),"step":\(list(points.steps)),\
        "seconds":\(list(seconds)),"value":\(list(points.values))}
        """
    }
    return "{\"figure\":\(Self.json(title)),\"lines\":[\(lines.joined(separator: ",\n"))]}"
  }

  /// Escapes a string such that it is also safe inside a script element.
  private static func json(_ text: String) -> String {
    var json = "\""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\"", "\\", "<", ">", "&", "\u{0}"..."\u{1f}", "\u{2028}", "\u{2029}":
        json += String(format: "\\u%04x", scalar.value)
      default: json.unicodeScalars.append(scalar)
      }
    }
    return json + "\""
  }
}
