import Foundation
import MPI
import Optimizers
import Plots

/// What is known of how problems scale: the contents of a JSON file that runs add to.
package struct Curves: Codable, Equatable {
  package struct Curve: Codable, Equatable {
    package let problem: Problem
    package fileprivate(set) var measured: [StepResult] = []
    package fileprivate(set) var predicted: [StepResult] = []
    /// α and β of the prediction.
    package fileprivate(set) var link: Link?
  }

  /// What a message costs.
  package struct Link: Codable, Equatable {
    /// α, seconds.
    let latency: Double
    /// β, bytes a second.
    let bandwidth: Double

    func seconds(of sent: Traffic) -> Double {
      Double(sent.messages) * latency + Double(sent.bytes) / bandwidth
    }
  }

  package private(set) var curves: [Curve] = []

  package init() {}

  /// Adds what was measured with some number of ranks, in the place of what was before; returns it
  /// with its efficiency.
  package mutating func add(_ result: StepResult, to problem: Problem) -> StepResult {
    let index = index(of: problem)
    var measured = curves[index].measured.filter { $0.ranks != result.ranks } + [result]
    measured.sort { $0.ranks < $1.ranks }
    curves[index].measured = problem.withEfficiency(measured, base: measured[0])
    return curves[index].measured.first { $0.ranks == result.ranks }!
  }

  /// Replaces what was predicted before.
  mutating func set(predicted: [StepResult], of problem: Problem, link: Link) {
    let index = index(of: problem)
    curves[index].predicted = predicted
    curves[index].link = link
  }

  package subscript(_ problem: Problem) -> Curve? { curves.first { $0.problem == problem } }

  private mutating func index(of problem: Problem) -> Int {
    if let index = curves.firstIndex(where: { $0.problem == problem }) { return index }
    curves.append(Curve(problem: problem))
    return curves.count - 1
  }

  /// Seconds and efficiency over the ranks.
  package var plot: String {
    let titles = Set(curves.map(\.problem.title))
    var series: [LinePlot.Series] = []
    for (color, curve) in curves.enumerated() {
      let name =
        (titles.count == 1 ? "" : curve.problem.title + ", ") + curve.problem.scalingTitle
      for (results, what) in [(curve.predicted, "predicted"), (curve.measured, "measured")]
      where !results.isEmpty {
        series.append(
          LinePlot.Series(
            name: "\(name), \(what)", color: color, isComputed: what == "predicted",
            points: [
              results.map { (Double($0.ranks), $0.seconds) },
              results.compactMap { result in
                result.efficiency.map { (Double(result.ranks), $0) }
              },
            ]))
      }
    }
    return LinePlot(
      title: titles.count == 1 ? titles.first! : "Scaling", xTitle: "ranks",
      panels: [
        .init(title: "time of a step", scale: .logarithmic, format: formatSeconds),
        .init(title: "efficiency", scale: .linear, reference: 1, format: formatShort),
      ], series: series
    ).svg
  }
}

extension Problem {
  /// - Parameter base: what efficiency is as against to.
  func withEfficiency(_ results: [StepResult], base: StepResult) -> [StepResult] {
    results.map {
      var result = $0
      result.efficiency = efficiency(
        seconds: $0.seconds, ranks: $0.ranks, baseSeconds: base.seconds, baseRanks: base.ranks)
      return result
    }
  }
}

/// The table of a sweep.
enum SweepTable {
  /// What the columns are, for the help of commands that print it.
  static let explanation = """
    In the table, gradient holds the phases data and gradient; optimizer gram_row, solve, direction \
    and update; and exchange loss, reduce_scatter, sum and all_gather. Messages and bytes are of the \
    rank that sends most.
    """

  static func header(_ last: [String]) -> String {
    line(
      "ranks",
      ["gradient", "exchange", "optimizer", "step", "efficiency", "messages", "bytes"] + last
    )
  }

  static func line(_ result: StepResult, _ last: [String]) -> String {
    let seconds = [Phase.computingGradients, Phase.exchanging, Phase.optimizing].map {
      formatSeconds(result.seconds(of: $0))
    }
    let efficiency = result.efficiency.map { formatEfficiency($0) } ?? ""
    return line(
      "\(result.ranks)",
      seconds + [
        formatSeconds(result.seconds), efficiency, "\(result.messages)", "\(result.bytes)",
      ] + last)
  }

  static func formatEfficiency(_ value: Double) -> String { String(format: "%.3f", value) }

  private static func line(_ name: String, _ columns: [String]) -> String {
    row(name, columns, nameWidth: 6, width: 12)
  }
}
