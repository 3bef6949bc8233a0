import Formats
import MPI
import Optimizers

/// Tabulates the cost of a run's phases over all ranks, in the manner of PETSc's `-log_view`.
struct LogView {
  private let ranks: Int
  private let steps: Int
  private let wallSeconds: Double
  /// Costs on each rank, for each phase that some rank has entered.
  private let costs: [(name: String, ranks: [PhaseClock.Cost])]

  /// Gathers the costs of all ranks. Collective.
  ///
  /// - Parameter wallSeconds: seconds of the whole run.
  init(_ clock: PhaseClock, steps: Int, wallSeconds: Double, on world: Communicator) throws {
    ranks = world.size
    self.steps = steps
    self.wallSeconds = wallSeconds
    let local = Phase.allCases.map { clock.costs[$0] ?? PhaseClock.Cost() }
    let numbers = local.flatMap {
      [Double($0.calls), $0.seconds, Double($0.sent.messages), Double($0.sent.bytes)]
        + [Double($0.bytesRead)]
    }
    var all = [Double](repeating: 0, count: numbers.count * world.size)
    try world.allGather(
      numbers, counts: Array(repeating: numbers.count, count: world.size), into: &all)
    costs = Phase.allCases.enumerated().map { index, phase in
      let ranks = (0..<world.size).map { rank in
        let values = all[(rank * local.count + index) * 5..<(rank * local.count + index + 1) * 5]
        let whole = values.map { Int($0) }
        return PhaseClock.Cost(
          calls: whole[0], seconds: values[values.startIndex + 1],
          sent: Traffic(messages: whole[2], bytes: whole[3]), bytesRead: whole[4])
      }
      return (phase.rawValue, ranks)
    }.filter { $0.ranks.contains { $0.calls > 0 } }
  }

  /// The table. Seconds are those of the slowest and the fastest rank; the other columns are the
  /// largest of any rank. Rates are per second of the slowest rank, in 10⁹ bytes per second.
  var text: String {
    var lines = [
      "Phases of \(steps) steps with \(ranks) rank\(ranks == 1 ? "" : "s"), "
        + "\(formatNumber(wallSeconds, digits: 2)) s in all",
      Self.line(
        ["phase", "calls", "s max", "s min", "messages", "MB sent", "GB/s", "MB read", "GB/s"]),
    ]
    for (name, ranks) in costs { lines.append(Self.line([name] + Self.cells(ranks))) }
    let sums = (0..<ranks).map { rank in
      costs.map { $0.ranks[rank] }.reduce(PhaseClock.Cost(), +)
    }
    lines.append(Self.line(["all"] + Self.cells(sums)))
    return lines.joined(separator: "\n")
  }

  private static func cells(_ ranks: [PhaseClock.Cost]) -> [String] {
    let slowest = ranks.map(\.seconds).max()!
    func amount(_ bytes: Int) -> [String] {
      guard bytes > 0 else { return ["-", "-"] }
      return [
        formatNumber(Double(bytes) / 1e6, digits: 3),
        formatNumber(Double(bytes) / 1e9 / slowest, digits: 2),
      ]
    }
    return [
      "\(ranks.map(\.calls).max()!)", formatNumber(slowest, digits: 4),
      formatNumber(ranks.map(\.seconds).min()!, digits: 4),
      "\(ranks.map(\.sent.messages).max()!)",
    ] + amount(ranks.map(\.sent.bytes).max()!) + amount(ranks.map(\.bytesRead).max()!)
  }

  private static func line(_ cells: [String]) -> String {
    let widths = [14, 9, 10, 10, 9, 11, 7, 13, 7]
    return zip(cells, widths).enumerated().map { index, cell in
      let space = String(repeating: " ", count: max(cell.1 - cell.0.count, 1))
      return index == 0 ? cell.0 + space : space + cell.0
    }.joined()
  }
}
