/// Selects which curvature is computed.
public struct KroneckerSettings: Codable, Equatable, Sendable {
  /// The treatment of shared axes. nil reduces them if the network joins the positions before the
  /// loss, and expands them otherwise.
  public var axis: SharedAxis?
  /// The vectors ▲ whose output gradients are used.
  public var fisher: Fisher
  /// True for the whole block [γ then β] of each normalization layer; false for its diagonal.
  public var hasNormalizationBlocks: Bool

  /// Creates the settings. Defaults to `.type2`; the command line defaults to `.monteCarlo`.
  public init(
    axis: SharedAxis? = nil, fisher: Fisher = .type2, hasNormalizationBlocks: Bool = false
  ) {
    self.axis = axis
    self.fisher = fisher
    self.hasNormalizationBlocks = hasNormalizationBlocks
  }
}

extension KroneckerSettings: CustomStringConvertible {
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
