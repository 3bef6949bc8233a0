import Curvature
import LinearAlgebra
import MPI
import Sharding

/// The λ, η and τ that are chosen among.
public struct ModelCandidates: Sendable {
  /// λ and η, each with each.
  public let models: [SurgeonModel.Settings]
  /// τ, by which the change of the kept weights is multiplied.
  public let steps: [Double]

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

  /// One alone.
  init(_ model: SurgeonModel.Settings, step: Double) {
    (models, steps) = ([model], [step])
  }

  /// How many there are of one mask.
  public var count: Int { models.count * steps.count }

  /// Whether there is nothing to choose, and kept weights go all the way to their update.
  var isSingle: Bool { models.count == 1 && steps == [1] }
}

/// Says how good pruned weights are, by what their pruning has not seen: candidates are chosen by
/// it.
public protocol HeldOutJudge<Element> {
  /// The scalar of the weights.
  associatedtype Element: Scalar

  /// The less, the better; not finite where the weights are of no use. Collective.
  ///
  /// - Parameter weights: this rank's slice.
  /// - Returns: the same on all ranks.
  func loss(of weights: UnsafeBufferPointer<Element>, on world: Communicator) throws -> Double
}

/// Judges weights by a quadratic model of the loss on other rows of gradients, where there is no
/// network to ask: `(1/m') Σᵢ (η g'ᵢᵀδ + ½ (g'ᵢᵀδ)²)` for a change δ from the weights that the rows
/// g' are of.
public struct HeldOutRows<Element: Scalar>: HeldOutJudge {
  private let rows: GradientRows
  private let weights: [Element]
  private let gradientScale: Double
  private let sum: TreeSum

  /// - Parameters:
  ///   - rows: this rank's columns of gradients that the candidates have not seen.
  ///   - weights: this rank's slice of the weights that the gradients are of.
  ///   - gradientScale: η; 1 for the loss's own slope, 0 for a network at its optimum.
  public init(
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
  public func loss(
    of weights: UnsafeBufferPointer<Element>, on world: Communicator
  ) throws -> Double {
    let change = zip(weights, self.weights).map { Double($0) - Double($1) }
    let products = try change.withUnsafeBufferPointer {
      try rows.products(with: $0, over: sum, on: world)
    }
    return products.reduce(0) { $0 + (gradientScale + $1 / 2) * $1 } / Double(rows.count)
  }
}

/// What candidates came to, and which was chosen.
public struct HeldOutChoice: Sendable {
  /// A way to prune, and what it came to.
  public struct Candidate: Sendable {
    /// λ and η by which the mask was found.
    public let mask: SurgeonModel.Settings
    /// λ and η of the update.
    public let update: SurgeonModel.Settings
    /// τ: the weights are the masked ones and τ times the change of those that are kept.
    public let step: Double
    /// On the held-out examples; the least is chosen.
    public let loss: Double
  }

  /// In the order in which they were tried.
  public let candidates: [Candidate]
  /// An index into them.
  public let chosen: Int
}

/// Tries candidates one after another and keeps the best, of equal ones the first.
struct HeldOutTrials<Element: Scalar> {
  private let start: UnsafeBufferPointer<Element>
  private let judge: (any HeldOutJudge<Element>)?
  private lazy var trial = Buffer<Element>(count: start.count)
  private var candidates: [HeldOutChoice.Candidate] = []
  private var chosen = 0
  /// What is best so far, by which of its update's steps.
  private(set) var best:
    (mask: Mask, weights: [Element], update: PruningCriterion.Update<Element>, step: Int)?

  /// - Parameters:
  ///   - start: the weights that candidates go from; they stay there for the trials.
  ///   - judge: may be left out for a single candidate.
  init(of start: UnsafeBufferPointer<Element>, by judge: (any HeldOutJudge<Element>)?) {
    self.start = start
    self.judge = judge
  }

  /// Takes the only candidate, which nobody judges.
  mutating func take(_ update: PruningCriterion.Update<Element>, under mask: Mask) {
    best = (mask, update.weights, update, 0)
  }

  /// Judges each step τ on the way from the masked weights to those of an update. Collective.
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

  /// None where nothing was judged.
  var choice: HeldOutChoice? {
    guard judge != nil, !candidates.isEmpty else { return nil }
    return HeldOutChoice(candidates: candidates, chosen: chosen)
  }
}
