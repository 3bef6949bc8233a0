/// Which curvature is gathered.
public struct KroneckerSettings: Codable, Equatable, Sendable {
  /// What becomes of shared axes; nil: reduced where they have come together before the loss, else
  /// expanded.
  public var axis: SharedAxis?
  /// What the output gradients are of.
  public var fisher: Fisher
  /// Whether a normalisation layer has its whole block [γ then β], or the diagonal of that.
  public var hasNormalizationBlocks: Bool

  /// The program draws targets, `monteCarlo`, where nothing is asked; this does not.
  public init(
    axis: SharedAxis? = nil, fisher: Fisher = .type2, hasNormalizationBlocks: Bool = false
  ) {
    self.axis = axis
    self.fisher = fisher
    self.hasNormalizationBlocks = hasNormalizationBlocks
  }
}

extension KroneckerSettings: CustomStringConvertible {
  /// For people.
  public var description: String {
    let fisher =
      switch fisher {
      case .type2: "type-2 Fisher"
      case .monteCarlo(let samples): "Fisher of \(samples) sample\(samples == 1 ? "" : "s")"
      case .empirical: "empirical Fisher"
      case .forwardOnly: "inputs alone"
      }
    return "\(fisher), setting \(axis?.rawValue ?? "auto")"
  }
}
