/// Selects the vectors ▲ of a curvature matrix R Σₙ Σ_c Jₙᵀ ▲ₙ_c ▲ₙ_cᵀ Jₙ.
public enum Fisher: Codable, Equatable, Sendable {
  /// The columns of a square root of the loss's Hessian with respect to the outputs: the
  /// Gauss–Newton matrix, which for these losses is the Fisher matrix.
  case type2
  /// Gradients for targets drawn from the model's predictions: `type2` in expectation.
  case monteCarlo(samples: Int)
  /// Gradients for the targets in the data.
  case empirical
  /// No vectors: B is the unit matrix. FOOF of Benzing, "Gradient descent on neurons and its link
  /// to approximate second-order optimization", 2022.
  case forwardOnly

  /// Returns the number of backward passes for predictions of `outputs` outputs.
  public func columns(outputs: Int) -> Int {
    switch self {
    case .type2: outputs
    case .monteCarlo(let samples): samples
    case .empirical: 1
    case .forwardOnly: 0
    }
  }
}
