/// Names the timed parts of a training step. Between steps these are spectra, evaluation (with
/// saving the evaluated network), pruning and checkpoints.
public enum Phase: String, CaseIterable, Sendable {
  /// Examples are converted to network inputs.
  case data
  /// Forward and backward passes.
  case gradient
  /// The loss is summed over the micro-batches; a rank waits here for the slowest gradient.
  case loss
  /// Micro-batch gradients are added and sent in chunks, also between the layers of a backward
  /// pass. Finally this rank's slice is completed.
  case reduceScatter = "reduce_scatter"
  /// Sums over a micro-batch for Kronecker factors, and their sums over all micro-batches.
  case factors
  /// Owners invert Kronecker factors, and a rank waits for the slowest. With conjugate gradients,
  /// products of micro-batches' layer samples with their curvature.
  case inverse
  /// Inverses, gradients and directions of layers move to and from the ranks that work on them.
  /// Products are summed over the ranks.
  case exchange
  /// This rank's part of the new Gram row.
  case gramRow = "gram_row"
  /// The Gram row, or the gradient's norm, is summed over the ranks.
  case sum
  /// The Gram matrix and its factor; for conjugate gradients, everything but the products.
  case solve
  /// This rank's slice of Gᵀc, or the directions of the layers that this rank works on.
  case direction
  /// Products with the Gauss–Newton matrix.
  case quadratic
  case update
  /// Parameters are sent, also between updates of other parameters, and completed; a rank waits
  /// here for the slowest update.
  case allGather = "all_gather"
  /// Eigenvalues of the Gram matrix, if requested.
  case spectrum
  /// Weights are removed or restored between two steps.
  case pruning
  case evaluation
  /// Checkpoints are written.
  case saving
}

/// Measures the cost of each phase on this rank.
public final class PhaseClock {
  /// Holds the cost of a phase.
  public struct Cost: Sendable, Equatable {
    /// Number of times the phase was entered.
    public var calls = 0
    /// Wall-clock seconds on this rank, including waits.
    public var seconds = 0.0
    /// Messages and bytes sent to other ranks.
    public var sent = Traffic()
    /// Bytes read from the window, in phases that read it.
    public var bytesRead = 0

    /// Creates a cost, zero by default.
    public init(
      calls: Int = 0, seconds: Double = 0, sent: Traffic = Traffic(), bytesRead: Int = 0
    ) {
      self.calls = calls
      self.seconds = seconds
      self.sent = sent
      self.bytesRead = bytesRead
    }

    /// Returns the sum of two costs.
    public static func + (a: Cost, b: Cost) -> Cost {
      Cost(
        calls: a.calls + b.calls, seconds: a.seconds + b.seconds, sent: a.sent + b.sent,
        bytesRead: a.bytesRead + b.bytesRead)
    }
  }

  /// Cost of each phase since the start.
  public private(set) var costs: [Phase: Cost] = [:]
  private let world: Communicator?
  /// Cost of nested phases, subtracted from the enclosing one.
  private var inner = Cost()

  /// Test hook: called on entering a phase; an error that it returns is thrown there, if the phase
  /// can throw it.
  package nonisolated(unsafe) static var fault: ((Phase) -> (any Error)?)?

  /// Creates a clock.
  ///
  /// - Parameter world: the communicator whose traffic is counted and whose status shows the
  ///   current phase.
  public init(on world: Communicator? = nil) { self.world = world }

  /// Seconds of each phase since the start.
  public var seconds: [Phase: Double] { costs.mapValues(\.seconds) }

  /// Runs `body` and charges its time and traffic to `phase`, except those of phases that `body`
  /// times itself.
  ///
  /// - Parameter reading: bytes that `body` reads from the window.
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

  /// Adds the costs of another clock.
  public func add(_ other: PhaseClock) {
    costs.merge(other.costs) { $0 + $1 }
  }
}
