import Foundation
import Pruning
import TrainedModels

/// How a run removes weights while it trains: more and more of them, or always as many, but others.
public struct PruningPlan: Sendable, Equatable {
  /// When: after `begin` steps, and then every so many, `count` times.
  public struct Times: Sendable, Equatable {
    /// Steps before the first event.
    public var begin: Int
    /// Steps from one event to the next.
    public var every: Int
    /// How many events there are.
    public var count: Int

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

    /// The steps, counted as taken, after which there is an event.
    public var steps: [Int] { (0..<count).map { begin + $0 * every } }

    /// The event, from 0, that comes after so many steps; nil where none does.
    public func event(after step: Int) -> Int? {
      let (event, rest) = (step - begin).quotientAndRemainder(dividingBy: every)
      return step >= begin && rest == 0 && event < count ? event : nil
    }
  }

  /// How weights come back at each event, as many as are dropped.
  public struct Regrowth: Sendable, Equatable {
    /// Which removed weights come back.
    public enum Criterion: String, CaseIterable, Sendable {
      /// Any: SET (Mocanu and others, 2018).
      case random
      /// Those of the largest gradient: RigL (Evci and others, 2020).
      case gradient
      /// Those that the quadratic model of the loss gains most by, each with all others adjusting:
      /// `SurgeonModel.Coordinate.gain`, with the mean gradient in the model.
      case marginal
    }

    /// Which removed weights come back.
    public var criterion: Criterion
    /// α, of the kept weights, dropped at the first event.
    public var share: Double
    /// Whether the share falls along half a cosine, α/2·(1 + cos(πk/n)) at event k from 0, or
    /// stays.
    public var decays: Bool

    /// - Parameters:
    ///   - share: α, of the kept weights.
    ///   - decays: whether the share falls from event to event.
    public init(criterion: Criterion, share: Double = 0.3, decays: Bool = true) {
      self.criterion = criterion
      self.share = share
      self.decays = decays
    }

    /// The share of the kept weights dropped at an event, from 0, of so many.
    public func share(ofEvent event: Int, of count: Int) -> Double {
      decays ? share / 2 * (1 + cos(.pi * Double(event) / Double(count))) : share
    }
  }

  /// Towards fewer weights, or as many in other places.
  public enum Kind: Sendable, Equatable {
    /// Up to a sparsity, from that of the masks that there are.
    case gradual(SparsitySchedule, to: Double)
    /// A sparsity that stays; nil for that of the masks that there are. Else the first weights that
    /// go are drawn.
    case dynamic(Regrowth, sparsity: Double?)
  }

  /// Gradients that are collected at an event, where something asks for them.
  public struct Gradients: Sendable, Equatable {
    /// m.
    public var count = 256
    /// Each row is the mean gradient of so many examples.
    public var examplesPerRow = 16
    /// λ.
    public var damping = 1e-5
    /// Weights of a block of `woodfisher`.
    public var blockSize = 2000
    /// How the kept weights answer a removal.
    public var update = PruningUpdate.joint

    /// The defaults.
    public init() {}
  }

  /// Towards fewer weights, or as many in other places.
  public var kind: Kind
  /// When.
  public var times: Times
  /// By which weights are judged.
  public var method = PruningMethod.magnitude
  /// Which tensors' weights may be removed.
  public var tensors = TensorChoice()
  /// Which weights compete with one another.
  public var scope = Selection.Scope.global
  /// No tensor gets a higher sparsity.
  public var maximumTensorSparsity = 1.0
  /// Those that the method or the regrowth asks for.
  public var gradients = Gradients()

  /// By magnitude, in all tensors together, unless it is changed.
  public init(_ kind: Kind, times: Times) {
    self.kind = kind
    self.times = times
  }

  /// Whether an event collects gradients.
  var takesGradients: Bool {
    if method.takesGradients { return true }
    if case .dynamic(let regrowth, _) = kind { return regrowth.criterion != .random }
    return false
  }
}
