/// Describes a rank's position in the program, for the ranks that wait for it.
public struct RankStatus: CustomStringConvertible {
  /// The training step, from 1.
  public var step: Int?
  /// The phase of the step.
  public var phase: String?
  /// The collective operation that began last.
  var operation: StaticString = "start"

  /// Step and phase, if the rank is within them.
  var moment: String? {
    let parts = [step.map { "step \($0)" }, phase].compactMap { $0 }
    return parts.isEmpty ? nil : parts.joined(separator: ", ")
  }

  public var description: String {
    phase == nil ? [moment, "\(operation)"].compactMap { $0 }.joined(separator: ", ") : moment!
  }
}

/// Formats rank numbers, such as `ranks 0-2, 5`.
func name(_ ranks: [Int]) -> String {
  var runs: [ClosedRange<Int>] = []
  for rank in ranks.sorted() {
    if let last = runs.last, last.upperBound == rank - 1 {
      runs[runs.count - 1] = last.lowerBound...rank
    } else {
      runs.append(rank...rank)
    }
  }
  return (ranks.count == 1 ? "rank " : "ranks ")
    + runs.map { $0.count == 1 ? "\($0.lowerBound)" : "\($0.lowerBound)-\($0.upperBound)" }
    .joined(separator: ", ")
}

/// Formats the ranks' texts, grouping ranks with equal text: `ranks 0, 2 (step 3, sum), rank 1
/// (start)`.
func name(_ texts: [Int: String]) -> String {
  Dictionary(grouping: texts.keys) { texts[$0]! }
    .map { (ranks: $0.value.sorted(), text: $0.key) }.sorted { $0.ranks[0] < $1.ranks[0] }
    .map { "\(name($0.ranks)) (\($0.text))" }.joined(separator: ", ")
}
