import MPI

/// An optimizer of which each rank holds the state of its own cells.
///
/// It sees slices of the mean gradient and of the parameters, and knows no network.
public protocol ShardedOptimizer: AnyObject {
  /// Updates this rank's slice of the parameters. Collective.
  ///
  /// - Parameters:
  ///   - gradient: this rank's slice of the mean gradient, shape [d/p].
  ///   - parameters: this rank's slice, shape [d/p].
  ///   - learningRate: the step's.
  ///   - clock: charged with the step's phases.
  /// - Returns: what the ranks saw, the same on all. Where the gradient's norm is not finite nothing
  ///   has changed on any rank.
  func step(
    _ gradient: Span<Float>, updating parameters: inout MutableSpan<Float>, learningRate: Double,
    on world: Communicator, clock: inout PhaseClock
  ) throws -> StepOutcome
}

/// What all ranks saw in a step.
public struct StepOutcome: Sendable {
  /// Euclidean norm of the gradient, with the coupled weight decay, over the whole of d.
  public let gradientNorm: Double

  /// Whether the parameters were updated: not where the gradient holds an infinity or a NaN.
  public var taken: Bool { gradientNorm.isFinite }
}

/// How weights decay, at a rate ω.
public enum WeightDecay: Sendable, Equatable {
  /// ω·w is added to the gradient, before anything else is done with it.
  case coupled(Float)
  /// w ← w − η·ω·w beside the step, η the learning rate (Loshchilov and Hutter, 2019).
  case decoupled(Float)
}

/// The parts of a training step that are timed apart.
public enum Phase: String, CaseIterable, Sendable {
  case data, gradient, sum, solve, direction, update
  case reduceScatter = "reduce_scatter"
  case gramRow = "gram_row"
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
