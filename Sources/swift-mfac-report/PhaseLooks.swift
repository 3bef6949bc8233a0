import MPI
import Plots
import RunRecords

/// How phases look in bars: a colour for what computes gradients, one for what ranks exchange, one
/// for the optimizer and one for the rest, darker to lighter in each.
struct PhaseLooks {
  /// In the program's order of kinds.
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
