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
  public struct Candidate: Sendable {
    /// λ and η by which the mask was found.
    public let mask: BrainSurgeon.Model
    /// λ and η of the update.
    public let update: BrainSurgeon.Model
    /// τ: the weights are the masked ones and τ times the change of those that are kept.
    public let step: Double
    public let loss: Double
  }

  public let candidates: [Candidate]
  /// An index into them.
  public let chosen: Int
}

/// The λ, η and τ that are chosen among.
public struct ModelCandidates: Sendable {
  public let models: [BrainSurgeon.Model]
  public let steps: [Double]

  /// - Parameters:
  ///   - dampings: λ > 0.
  ///   - gradientScales: η ≥ 0.
  ///   - steps: τ in [0, 1].
  public init(dampings: [Double], gradientScales: [Double] = [0], steps: [Double] = [1]) {
    precondition(!dampings.isEmpty && !gradientScales.isEmpty && !steps.isEmpty, "no candidate")
    models = dampings.flatMap { damping in
      gradientScales.map { BrainSurgeon.Model(damping: damping, gradientScale: $0) }
    }
    self.steps = steps
  }

  /// Of one mask.
  public var count: Int { models.count * steps.count }
}
