import Curvature
import LinearAlgebra
import MPI
import Sharding

/// Lists the values of λ, η and τ to try.
public struct ModelCandidates: Sendable {
  /// Every combination of λ and η.
  public let models: [SurgeonModel.Settings]
  /// τ, the factor of the kept weights' change.
  public let steps: [Double]

  /// Combines every λ with every η.
  ///
  /// - Parameters:
  ///   - dampings: λ > 0.
  ///   - gradientScales: η ≥ 0.
  ///   - steps: τ in [0, 1].
  public init(dampings: [Double], gradientScales: [Double] = [0], steps: [Double] = [1]) {
    precondition(!dampings.isEmpty && !gradientScales.isEmpty && !steps.isEmpty, "no candidate")
    models = dampings.flatMap { damping in
      gradientScales.map { SurgeonModel.Settings(damping: damping, gradientScale: $0) }
    }
    self.steps = steps
  }

  /// Creates a single candidate.
  init(_ model: SurgeonModel.Settings, step: Double) {
    (models, steps) = ([model], [step])
  }

  /// Number of candidates per mask.
  public var count: Int { models.count * steps.count }

  /// True if there is only one model and its step is 1.
  var isSingle: Bool { models.count == 1 && steps == [1] }
}

/// Scores pruned weights on held-out data, to choose among candidates.
public protocol HeldOutJudge<Element> {
  /// The scalar of the weights.
  associatedtype Element: Scalar

  /// Returns the held-out loss: lower is better, and a value that is not finite rejects the
  /// weights. Collective.
  ///
  /// - Parameter weights: this rank's slice.
  /// - Returns: the same on all ranks.
  func loss(of weights: UnsafeBufferPointer<Element>, on world: Communicator) throws -> Double
}

/// Scores weights by a quadratic model of the loss on held-out gradients, without a network.
///
/// The loss is `(1/m') Σᵢ (η g'ᵢᵀδ + ½ (g'ᵢᵀδ)²)`. δ is the change from the weights at which the
/// gradients g' were computed.
package struct HeldOutRows<Element: Scalar>: HeldOutJudge {
  private let rows: GradientRows
  private let weights: [Element]
  private let gradientScale: Double
  private let sum: TreeSum

  /// Creates a judge from held-out gradients.
  ///
  /// - Parameters:
  ///   - rows: this rank's columns of gradients that the candidates did not use.
  ///   - weights: this rank's slice of the weights at which the gradients were computed.
  ///   - gradientScale: η; 1 for the loss's own slope, 0 for a network at its optimum.
  package init(
    rows: GradientRows, weights: UnsafeBufferPointer<Element>, gradientScale: Double = 1,
    partition: CellPartition, rank: Int
  ) {
    precondition(
      rows.blocks == partition.cellsInSlice(of: rank) && weights.count == rows.sliceCount,
      "\(rows.blocks.count) blocks and \(weights.count) weights on rank \(rank)")
    self.rows = rows
    self.weights = Array(weights)
    self.gradientScale = gradientScale
    sum = TreeSum(partition, rank: rank)
  }

  @specialized(where Element == Float)
  @specialized(where Element == Double)
  package func loss(
    of weights: UnsafeBufferPointer<Element>, on world: Communicator
  ) throws -> Double {
    let change = zip(weights, self.weights).map { Double($0) - Double($1) }
    let products = try change.withUnsafeBufferPointer {
      try rows.products(with: $0, over: sum, on: world)
    }
    return products.reduce(0) { $0 + (gradientScale + $1 / 2) * $1 } / Double(rows.count)
  }
}

/// Records the losses of all candidates and the chosen one.
public struct HeldOutChoice: Sendable {
  /// Holds the settings and the held-out loss of one candidate.
  public struct Candidate: Sendable {
    /// λ and η of the mask.
    public let mask: SurgeonModel.Settings
    /// λ and η of the update.
    public let update: SurgeonModel.Settings
    /// τ; the weights are the masked ones plus τ times the change of the kept ones.
    public let step: Double
    /// Held-out loss; the smallest is chosen.
    public let loss: Double
  }

  /// The candidates in the order of the trials.
  public let candidates: [Candidate]
  /// Index of the chosen candidate.
  public let chosen: Int
}

/// Tries candidates one after another and keeps the best; on equal losses, the first.
struct HeldOutTrials<Element: Scalar> {
  private let start: UnsafeBufferPointer<Element>
  private let judge: (any HeldOutJudge<Element>)?
  private lazy var trial = Buffer<Element>(count: start.count)
  private var candidates: [HeldOutChoice.Candidate] = []
  private var chosen = 0
  /// The best result so far, and the index of its step τ.
  private(set) var best:
    (mask: Mask, weights: [Element], update: PruningCriterion.Update<Element>, step: Int)?

  /// Starts without candidates.
  ///
  /// - Parameters:
  ///   - start: the weights before the removal; must stay allocated during the trials.
  ///   - judge: nil for a single candidate.
  init(of start: UnsafeBufferPointer<Element>, by judge: (any HeldOutJudge<Element>)?) {
    self.start = start
    self.judge = judge
  }

  /// Accepts the only candidate without a judge.
  mutating func take(_ update: PruningCriterion.Update<Element>, under mask: Mask) {
    best = (mask, update.weights, update, 0)
  }

  /// Scores each step τ between the masked weights and the updated ones. Collective.
  ///
  /// - Parameter models: λ and η of the mask and of the update.
  mutating func add(
    _ update: PruningCriterion.Update<Element>, steps: [Double], under mask: Mask,
    by models: (mask: SurgeonModel.Settings, update: SurgeonModel.Settings), on world: Communicator
  ) throws {
    for (index, step) in steps.enumerated() {
      mask.step(step, from: start, to: update.weights, into: trial.all)
      let loss = try judge?.loss(of: UnsafeBufferPointer(trial.all), on: world) ?? 0
      if best == nil ? loss.isFinite : loss < candidates[chosen].loss {
        chosen = candidates.count
        best = (mask, Array(trial.all), update, index)
      }
      candidates.append(
        HeldOutChoice.Candidate(
          mask: models.mask, update: models.update, step: step, loss: loss))
    }
  }

  /// The record of all trials; nil without a judge or trials.
  var choice: HeldOutChoice? {
    guard judge != nil, !candidates.isEmpty else { return nil }
    return HeldOutChoice(candidates: candidates, chosen: chosen)
  }
}
