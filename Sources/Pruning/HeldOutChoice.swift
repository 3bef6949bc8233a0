import LinearAlgebra
import MPI

/// Says how good pruned weights are, by what their pruning has not seen: candidates are chosen by it.
public protocol HeldOutJudge {
  /// The less, the better; not finite where the weights are of no use. Collective.
  ///
  /// - Parameter weights: this rank's slice.
  /// - Returns: the same on all ranks.
  func loss(of weights: UnsafeBufferPointer<Float>, on world: Communicator) throws -> Double
}

/// What candidates came to, and which was chosen.
public struct HeldOutChoice: Sendable {
  /// A way to prune, and what it came to.
  public struct Candidate: Sendable {
    /// λ and η by which the mask was found.
    public let mask: BrainSurgeon.Model
    /// λ and η of the update.
    public let update: BrainSurgeon.Model
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
struct HeldOutTrials {
  private let start: UnsafeBufferPointer<Float>
  private let judge: (any HeldOutJudge)?
  private let trial: Buffer<Float>
  private var candidates: [HeldOutChoice.Candidate] = []
  private(set) var best: (index: Int, mask: Mask, weights: [Float], removed: Removed)?

  /// - Parameters:
  ///   - start: the weights that candidates go from; they stay there for the trials.
  ///   - judge: may be left out for a single candidate.
  init(of start: UnsafeBufferPointer<Float>, by judge: (any HeldOutJudge)?) {
    self.start = start
    self.judge = judge
    trial = Buffer(count: start.count)
  }

  /// Judges a step τ on the way from the masked weights `to` those of an update. Collective.
  mutating func add(
    _ candidate: (mask: BrainSurgeon.Model, update: BrainSurgeon.Model, step: Double),
    under mask: Mask, to updated: [Float], _ removed: Removed, on world: Communicator
  ) throws {
    mask.step(candidate.step, from: start, to: updated, into: trial.all)
    let loss = try judge?.loss(of: UnsafeBufferPointer(trial.all), on: world) ?? 0
    if best.map({ loss < candidates[$0.index].loss }) ?? loss.isFinite {
      best = (candidates.count, mask, Array(trial.all), removed)
    }
    candidates.append(
      HeldOutChoice.Candidate(
        mask: candidate.mask, update: candidate.update, step: candidate.step, loss: loss))
  }

  /// None where nothing was judged.
  var choice: HeldOutChoice? {
    guard judge != nil, let best else { return nil }
    return HeldOutChoice(candidates: candidates, chosen: best.index)
  }
}
