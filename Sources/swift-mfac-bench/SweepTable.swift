import Formats
import Foundation
import MPI
import Optimizers
import RunRecords

/// Formats the table of a sweep.
enum SweepTable {
  /// Help text about the columns, for commands that print the table.
  static let explanation = """
    In the table, gradient sums the phases data and gradient; optimizer sums gram_row, solve, \
    direction and update; exchange sums loss, reduce_scatter, sum and all_gather. Messages and \
    bytes are those of the rank that sends most.
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
