import Foundation
import Pruning
import TrainedModels

/// Plans how a run removes weights while it trains: more and more of them, or a constant number at
/// changing positions.
public struct PruningPlan: Sendable, Equatable {
  /// Schedules the events: the first after `begin` steps, then one every `every` steps, `count` in
  /// all.
  public struct Times: Sendable, Equatable {
    /// Steps before the first event.
    public var begin: Int
    /// Steps from one event to the next.
    public var every: Int
    /// Number of events.
    public var count: Int

    /// Creates a schedule of events.
    ///
    /// - Parameters:
    ///   - begin: 0 or more.
    ///   - every: 1 or more.
    ///   - count: 1 or more.
    public init(begin: Int, every: Int, count: Int) {
      precondition(
        begin >= 0 && every > 0 && count > 0, "\(count) times from \(begin) by \(every)")
      self.begin = begin
      self.every = every
      self.count = count
    }

    /// Number of steps taken before each event.
    public var steps: [Int] { (0..<count).map { begin + $0 * every } }

    /// Returns the event, from 0, that follows a number of steps; nil if none does.
    public func event(after step: Int) -> Int? {
      let (event, rest) = (step - begin).quotientAndRemainder(dividingBy: every)
      return step >= begin && rest == 0 && event < count ? event : nil
    }
  }

  /// Sets how weights regrow: at each event, as many come back as are dropped.
  public struct Regrowth: Sendable, Equatable {
    /// Selects the removed weights that come back.
    public enum Criterion: String, CaseIterable, Sendable {
      /// Random weights: SET (Mocanu and others, 2018).
      case random
      /// The weights with the largest gradient: RigL (Evci and others, 2020).
      case gradient
      /// The weights with the largest gain in the quadratic model of the loss, each with all others
      /// adjusting: `SurgeonModel.Coordinate.gain`, with the mean gradient in the model.
      case marginal
    }

    /// Criterion for the removed weights that come back.
    public var criterion: Criterion
    /// α, the share of the kept weights that is dropped at the first event.
    public var share: Double
    /// True if the share falls along half a cosine, α/2·(1 + cos(πk/n)) at event k from 0; false if
    /// it stays α.
    public var decays: Bool

    /// Creates the settings of a regrowth.
    ///
    /// - Parameters:
    ///   - share: α, the share of the kept weights.
    ///   - decays: true if the share falls from event to event.
    public init(criterion: Criterion, share: Double = 0.3, decays: Bool = true) {
      self.criterion = criterion
      self.share = share
      self.decays = decays
    }

    /// Returns the share of the kept weights that is dropped at an event, from 0, of `count`
    /// events.
    public func share(ofEvent event: Int, of count: Int) -> Double {
      decays ? share / 2 * (1 + cos(.pi * Double(event) / Double(count))) : share
    }
  }

  /// Selects gradual pruning, or a constant sparsity at changing positions.
  public enum Kind: Sendable, Equatable {
    /// Sparsity that rises from that of the initial masks to a final value.
    case gradual(SparsitySchedule, to: Double)
    /// Constant sparsity; nil for that of the initial masks. For a given sparsity, the weights to
    /// remove are drawn at random before the first step.
    case dynamic(Regrowth, sparsity: Double?)
  }

  /// Sets which gradients an event collects, if the method or the regrowth needs any.
  public struct Gradients: Sendable, Equatable {
    /// m.
    public var count = 256
    /// Examples in a row, which is their mean gradient.
    public var examplesPerRow = 16
    /// λ.
    public var damping = 1e-5
    /// Weights in a block of `woodfisher`.
    public var blockSize = 2000
    /// Update of the kept weights after a removal.
    public var update = PruningUpdate.joint

    /// Creates the default settings.
    public init() {}
  }

  /// Gradual pruning, or a constant sparsity at changing positions.
  public var kind: Kind
  /// Steps of the events.
  public var times: Times
  /// Criterion by which weights are removed.
  public var method = PruningMethod.magnitude
  /// Tensors whose weights may be removed.
  public var tensors = TensorChoice()
  /// Weights that compete with one another.
  public var scope = Selection.Scope.global
  /// Largest sparsity of any tensor.
  public var maximumTensorSparsity = 1.0
  /// Gradients that the method or the regrowth needs.
  public var gradients = Gradients()

  /// Creates a plan that prunes by magnitude, with all tensors together.
  public init(_ kind: Kind, times: Times) {
    self.kind = kind
    self.times = times
  }

  /// True if an event collects gradients.
  var takesGradients: Bool {
    if method.takesGradients { return true }
    if case .dynamic(let regrowth, _) = kind { return regrowth.criterion != .random }
    return false
  }
}
