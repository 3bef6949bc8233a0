/// What a damping λ adds to B ⊗ A.
public enum KroneckerDamping: String, CaseIterable, Codable, Sendable {
  /// (B⊗A + λI)⁻¹, by the factors' eigenvalues.
  case exact
  /// ((B + √λ/π I) ⊗ (A + π√λ I))⁻¹ with π = √((tr A/d_A)/(tr B/d_B)), and 1 where a trace is not
  /// positive. Martens and Grosse, 2015, section 6.3.
  case factored
  /// ((B + λI) ⊗ (A + λI))⁻¹: without products of the factors it adds λ², so that λ here is as
  /// large as √λ there.
  case same

  /// What is added to the diagonal of each factor; with `exact` nothing.
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

/// How a factor is inverted.
public enum FactorSolver: String, CaseIterable, Codable, Sendable {
  /// A = Q diag(e) Qᵀ: for any damping afterwards, without another decomposition.
  case eigen
  /// (A + shift·I)⁻¹ by A + shift·I = LLᵀ: for one damping.
  case cholesky
}

/// What makes an inverse of Kronecker factors impossible.
public enum KroneckerError: Error, CustomStringConvertible {
  /// A damping that Cholesky factors do not have.
  case exactNeedsEigenvalues
  /// A factor that holds an infinity or a NaN.
  case notFinite(order: Int)
  /// A decomposition that was given up.
  case notConverged(order: Int)

  public var description: String {
    switch self {
    case .exactNeedsEigenvalues:
      "the exact damping (B⊗A + λI)⁻¹ needs the factors' eigenvalues: the solver must be eigen, or "
        + "the damping's form factored or same"
    case .notFinite(let order):
      "a Kronecker factor of order \(order) holds an infinity or a NaN"
    case .notConverged(let order):
      "the eigenvalues of a Kronecker factor of order \(order) were not found"
    }
  }
}
