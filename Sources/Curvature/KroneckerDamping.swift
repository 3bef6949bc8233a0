/// Selects how a damping λ is added to B ⊗ A.
public enum KroneckerDamping: String, CaseIterable, Codable, Sendable {
  /// (B⊗A + λI)⁻¹, computed from the factors' eigenvalues.
  case exact
  /// ((B + √λ/π I) ⊗ (A + π√λ I))⁻¹ with π = √((tr A/d_A)/(tr B/d_B)), or π = 1 if a trace is not
  /// positive. Martens and Grosse, 2015, section 6.3.
  case factored
  /// ((B + λI) ⊗ (A + λI))⁻¹. Apart from the products with the factors this adds λ², so λ here is
  /// comparable to √λ of the other forms.
  case same

  /// Returns the number added to the diagonal of each factor; zeros for `exact`.
  public func shifts(
    _ damping: Double, traceOfA: Double, orderOfA: Int, traceOfB: Double, orderOfB: Int
  ) -> (a: Double, b: Double) {
    switch self {
    case .exact: return (0, 0)
    case .same: return (damping, damping)
    case .factored:
      let ratio = (traceOfA / Double(orderOfA)) / (traceOfB / Double(orderOfB))
      let pi = ratio > 0 && ratio.isFinite ? ratio.squareRoot() : 1
      return (pi * damping.squareRoot(), damping.squareRoot() / pi)
    }
  }
}

/// Selects how a factor is inverted.
public enum FactorSolver: String, CaseIterable, Codable, Sendable {
  /// A = Q diag(e) Qᵀ: later dampings need no new decomposition.
  case eigen
  /// (A + shift·I)⁻¹ from A + shift·I = LLᵀ: valid for one damping.
  case cholesky
}

/// Reports why an inverse of Kronecker factors cannot be computed.
public enum KroneckerError: Error, CustomStringConvertible {
  /// Exact damping with Cholesky factors, which have no eigenvalues.
  case exactNeedsEigenvalues
  /// A factor with an infinity or a NaN.
  case notFinite(order: Int)
  /// An eigenvalue decomposition that did not converge.
  case notConverged(order: Int)

  public var description: String {
    switch self {
    case .exactNeedsEigenvalues:
      "the exact damping (B⊗A + λI)⁻¹ needs the factors' eigenvalues: the solver must be eigen, or "
        + "the damping's form factored or same"
    case .notFinite(let order):
      "a Kronecker factor of order \(order) holds an infinity or a NaN"
    case .notConverged(let order):
      "the eigenvalues of a Kronecker factor of order \(order) did not converge"
    }
  }
}
