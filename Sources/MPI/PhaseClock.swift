/// The parts of a training step that are timed apart, and between steps spectra, evaluation, with
/// the network that it saves, and checkpoints.
public enum Phase: String, CaseIterable, Sendable {
  /// Examples become network inputs.
  case data
  /// Forward and backward.
  case gradient
  /// The loss is summed over the micro-batches; here a rank waits for the slowest gradient.
  case loss
  /// Micro-batches' gradients are added up, and chunks of them leave, also between the layers of
  /// others; in the end this rank's slice is completed.
  case reduceScatter = "reduce_scatter"
  /// Sums over a micro-batch of which Kronecker factors are made, and their sums over all of them.
  case factors
  /// Kronecker factors are inverted by their owners, where a rank waits for the slowest; or
  /// micro-batches' samples of layers make products with their curvature.
  case inverse
  /// Inverses, gradients and directions of layers go to and from the ranks that work on them;
  /// products are summed over the ranks.
  case exchange
  /// This rank's part of the new Gram row.
  case gramRow = "gram_row"
  /// The Gram row, or the gradient's norm, is summed over the ranks.
  case sum
  /// The Gram matrix and its factor; or of conjugate gradients all but the products.
  case solve
  /// This rank's slice of Gᵀc; or of the layers that this rank works on the directions.
  case direction
  /// Products with the Gauss–Newton matrix.
  case quadratic
  case update
  /// Parameters leave, also between others' updates, and are completed; here a rank waits for the
  /// slowest update.
  case allGather = "all_gather"
  /// The Gram matrix's eigenvalues, where they are asked for.
  case spectrum
  /// Weights are removed, or taken back, between two steps.
  case pruning
  case evaluation
  /// Checkpoints.
  case saving
}

/// What each phase has cost this rank.
public final class PhaseClock {
  /// What a phase has cost.
  public struct Cost: Sendable, Equatable {
    /// How often it was entered.
    public var calls = 0
    /// On this rank's clock, waits included.
    public var seconds = 0.0
    /// What was sent to other ranks.
    public var sent = Traffic()
    /// What was read of the window, where that is what the phase is about.
    public var bytesRead = 0

    /// Nothing, where nothing is given.
    public init(
      calls: Int = 0, seconds: Double = 0, sent: Traffic = Traffic(), bytesRead: Int = 0
    ) {
      self.calls = calls
      self.seconds = seconds
      self.sent = sent
      self.bytesRead = bytesRead
    }

    /// Both together.
    public static func + (a: Cost, b: Cost) -> Cost {
      Cost(
        calls: a.calls + b.calls, seconds: a.seconds + b.seconds, sent: a.sent + b.sent,
        bytesRead: a.bytesRead + b.bytesRead)
    }
  }

  /// By phase, since the start.
  public private(set) var costs: [Phase: Cost] = [:]
  private let world: Communicator?
  /// Of all phases timed within the one that is running: they are not its own.
  private var inner = Cost()

  /// For tests: asked on entering a phase for an error to be thrown there, where something can be.
  package nonisolated(unsafe) static var fault: ((Phase) -> (any Error)?)?

  /// - Parameter world: whose traffic is counted, and which is told the phases.
  public init(on world: Communicator? = nil) { self.world = world }

  /// By phase, since the start.
  public var seconds: [Phase: Double] { costs.mapValues(\.seconds) }

  /// Runs `body` and charges its time and traffic to `phase`, but for those of phases that `body`
  /// times itself.
  ///
  /// - Parameter reading: what `body` reads of the window.
  public func time<Result, Failure>(
    _ phase: Phase, reading bytes: Int = 0, _ body: () throws(Failure) -> Result
  ) throws(Failure) -> Result {
    let outer = inner
    inner = Cost()
    let outerPhase = world?.status.phase
    world?.status.phase = phase.rawValue
    let sent = world?.traffic ?? Traffic()
    let start = ContinuousClock.now
    defer {
      let whole = Cost(
        seconds: (ContinuousClock.now - start) / .seconds(1),
        sent: (world?.traffic ?? Traffic()) - sent)
      let local = Cost(
        calls: 1, seconds: whole.seconds - inner.seconds, sent: whole.sent - inner.sent,
        bytesRead: bytes)
      costs[phase] = (costs[phase] ?? Cost()) + local
      inner = outer + whole
      world?.status.phase = outerPhase
    }
    if let error = Self.fault?(phase) as? Failure { throw error }
    return try body()
  }

  /// Adds what another clock has counted.
  public func add(_ other: PhaseClock) {
    costs.merge(other.costs) { $0 + $1 }
  }
}
