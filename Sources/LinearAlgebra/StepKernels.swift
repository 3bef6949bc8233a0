import CKernels

/// The loops of optimizers' steps.
extension Scalar {
  /// Computes `next[i] = β v[i] + (1 − β) g[i]²`.
  package static func averageSquares(
    count: Int, decay: Self, of g: UnsafePointer<Self>, _ v: UnsafePointer<Self>,
    into next: UnsafeMutablePointer<Self>
  ) {
    kernels.pointee.averageSquares(count, decay, g, v, next)
  }

  /// Computes `x[i] ← x[i]/√(√v[i]·correction + ε)`.
  package static func divide(
    count: Int, _ x: UnsafeMutablePointer<Self>, byMetric v: UnsafePointer<Self>,
    correction: Self, epsilon: Self
  ) {
    kernels.pointee.divideByMetric(count, correction, epsilon, v, x)
  }

  /// Computes a step of Adam: `m ← β₁m + (1 − β₁)g`, `v ← β₂v + (1 − β₂)g²` and
  /// `w ← remainder·w − step·m/(√v·correction + ε)`.
  package static func adam(
    count: Int, betas: (Self, Self), correction: Self, epsilon: Self, step: Self, remainder: Self,
    _ g: UnsafePointer<Self>, _ m: UnsafeMutablePointer<Self>, _ v: UnsafeMutablePointer<Self>,
    updating w: UnsafeMutablePointer<Self>
  ) {
    kernels.pointee.adam(
      count, betas.0, betas.1, correction, epsilon, step, remainder, g, m, v, w)
  }
}
