/// Which vectors ▲ a curvature matrix is made of: R Σₙ Σ_c Jₙᵀ ▲ₙ_c ▲ₙ_cᵀ Jₙ.
public enum Fisher: Codable, Equatable, Sendable {
  /// The columns of a square root of the loss's Hessian by the outputs: the Gauss–Newton matrix,
  /// which for these losses is the Fisher matrix.
  case type2
  /// Gradients for targets that the model itself draws: the same in expectation.
  case monteCarlo(samples: Int)
  /// Gradients for the targets of the data.
  case empirical
  /// None: B is the unit matrix. FOOF of Benzing, "Gradient descent on neurons and its link to
  /// approximate second-order optimization", 2022.
  case forwardOnly

  /// Backward passes that it takes, for predictions of so many outputs.
  public func columns(outputs: Int) -> Int {
    switch self {
    case .type2: outputs
    case .monteCarlo(let samples): samples
    case .empirical: 1
    case .forwardOnly: 0
    }
  }
}
