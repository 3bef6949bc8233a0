import LinearAlgebra

/// The damped empirical Fisher matrix `F = λI + (1/m) GᵀG` of a window of gradients, by its m×m side.
///
///   G [m, d]   the window; here the columns of a slice
///   K [m, m]   GGᵀ in double precision, whole: the same bits on every rank
///   S          K + mλI, and its Cholesky factor
///
/// One address space: what needs a sum over the whole of d takes that sum as an argument, so that the
/// sequential and the sharded form are the same code. m is the window's capacity, also while it
/// fills.
///
/// Frantar, Kurtic and Alistarh, "M-FAC: Efficient matrix-free approximations of second-order
/// information", 2021.
public final class DampedFisher {
  public let window: GradientWindow
  /// λ > 0.
  public let damping: Double
  /// K, shape [m, m]; rows and columns of empty slots are zero.
  public private(set) var gram: [Double]
  private let factor: CholeskyFactor

  /// - Parameters:
  ///   - window: an empty window.
  ///   - damping: λ > 0.
  public init(window: GradientWindow, damping: Double) {
    precondition(damping > 0 && damping.isFinite, "a damping of \(damping)")
    precondition(window.filled == 0, "a window that holds \(window.filled) gradients already")
    self.window = window
    self.damping = damping
    let m = window.capacity
    gram = [Double](repeating: 0, count: m * m)
    factor = CholeskyFactor(capacity: m)
  }

  /// Puts a gradient in the place of the oldest one.
  ///
  /// - Parameters:
  ///   - gradient: this slice of it.
  ///   - products: its products with the window and with itself, over the whole of d:
  ///     `window.partialProducts(with:inserting: true)` summed.
  /// - Returns: its slot.
  /// - Throws: `NotPositiveDefinite` where λ is too small for double precision; the gradient is in the
  ///   window, and there is no factor to solve with before the next insertion.
  /// - Complexity: O(m³).
  @discardableResult
  public func insert(
    _ gradient: UnsafeBufferPointer<Float>, products: [Double]
  ) throws -> Int {
    precondition(
      products.count == window.width(inserting: true), "\(products.count) products of a gradient")
    let m = window.capacity
    let slot = window.replaceOldest(with: gradient)
    for (other, product) in products.enumerated() {
      gram[slot * m + other] = product
      gram[other * m + slot] = product
    }
    // An empty slot's row of S is mλ on the diagonal and nothing else: it can be left out.
    try factor.factor(gram, stride: m, order: window.filled, shift: Double(m) * damping)
    return slot
  }

  /// Coefficients c, shape [filled], of the direction `F⁻¹gⱼ = Gᵀc` for the gradient in slot j:
  /// `c = m S⁻¹eⱼ`.
  ///
  /// Exact, and free of the cancellation of `(x − GᵀS⁻¹Gx)/λ` for a gradient within the window, which
  /// at small λ loses all its digits.
  public func coefficients(forSlot slot: Int) -> [Double] {
    var unit = [Double](repeating: 0, count: window.filled)
    unit[slot] = Double(window.capacity)
    return factor.solve(unit)
  }

  /// `F⁻¹gⱼ` for the gradient in slot j: this slice of it.
  public func direction(forSlot slot: Int, into direction: UnsafeMutableBufferPointer<Float>) {
    window.combine(coefficients(forSlot: slot)) { range, sums in
      for i in range { direction[i] = Float(sums[i - range.lowerBound]) }
    }
  }

  /// `F⁻¹x = (x − GᵀS⁻¹Gx)/λ`, the inverse-Hessian-vector product, for an x outside the window: this
  /// slice of it.
  ///
  /// For `x = αgⱼ + y` take `α·direction(forSlot: j)` and this form for y alone.
  ///
  /// - Parameters:
  ///   - x: this slice.
  ///   - products: G x over the whole of d, shape [filled]: `window.partialProducts(with:inserting:
  ///     false)` summed.
  public func inverseProduct(
    _ x: UnsafeBufferPointer<Float>, products: [Double],
    into result: UnsafeMutableBufferPointer<Float>
  ) {
    let scale = 1 / damping
    window.combine(factor.solve(products)) { range, sums in
      for i in range {
        result[i] = Float((Double(x[i]) - sums[i - range.lowerBound]) * scale)
      }
    }
  }
}
