/// The λ, η and τ that are chosen among.
public struct ModelCandidates: Sendable {
  /// λ and η, each with each.
  public let models: [BrainSurgeon.Model]
  /// τ, by which the change of the kept weights is multiplied.
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

  /// One alone.
  init(_ model: BrainSurgeon.Model, step: Double = 1) {
    (models, steps) = ([model], [step])
  }

  /// Of one mask.
  public var count: Int { models.count * steps.count }
}
