/// The parts of a training step that are timed apart.
public enum Phase: String, CaseIterable, Sendable {
  /// Examples become network inputs.
  case data
  /// Forward and backward.
  case gradient
  /// The loss is summed over the micro-batches; here a rank waits for the slowest gradient.
  case loss
  case reduceScatter = "reduce_scatter"
  /// This rank's part of the new Gram row.
  case gramRow = "gram_row"
  /// The Gram row, or the gradient's norm, is summed over the ranks.
  case sum
  /// The Gram matrix and its factor.
  case solve
  /// This rank's slice of Gᵀc.
  case direction
  case update
  /// The parameters are completed; here a rank waits for the slowest update.
  case allGather = "all_gather"
}

/// Seconds spent in each phase.
public struct PhaseClock: Sendable {
  public private(set) var seconds: [Phase: Double] = [:]

  public init() {}

  /// Runs `body` and charges its time to `phase`.
  public mutating func time<Result>(
    _ phase: Phase, _ body: () throws -> Result
  ) rethrows -> Result {
    let start = ContinuousClock.now
    defer { seconds[phase, default: 0] += (ContinuousClock.now - start) / .seconds(1) }
    return try body()
  }
}
