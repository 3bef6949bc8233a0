import LinearAlgebra

/// `u·u` and `g·u` of a direction u = F⁻¹g, over the whole of d.
public struct DirectionProducts: Sendable, Equatable {
  /// u·u ≥ 0.
  public var square: Double
  /// g·u.
  public var withGradient: Double

  /// - Parameters:
  ///   - square: u·u.
  ///   - withGradient: g·u.
  public init(square: Double, withGradient: Double) {
    self.square = square
    self.withGradient = withGradient
  }
}

extension DampedFisher {
  /// `F⁻¹gⱼ` for the gradient in slot j: this slice of it.
  public func direction(forSlot slot: Int, into direction: UnsafeMutableBufferPointer<Float>) {
    self.direction(forSlot: slot, into: direction) { _ in }
  }

  /// `F⁻¹gⱼ = Gᵀc` for the gradient in slot j: this slice of it.
  ///
  /// - Parameter made: is called with each cell that the direction has been made of.
  /// - Returns: its products over the whole of d: with `Sc = m eⱼ` they are `gⱼ·u = (Kc)ⱼ` and
  ///   `u·u = cᵀKc = cⱼ gⱼ·u − mλ Σ_{i≠j} cᵢ²`.
  /// - Complexity: of the products, O(m).
  @discardableResult
  public func direction(
    forSlot slot: Int, into direction: UnsafeMutableBufferPointer<Float>,
    made: (Range<Int>) throws -> Void
  ) rethrows -> DirectionProducts {
    let c = coefficients(forSlot: slot)
    try window.combine(c) { range, sums in
      let piece = UnsafeMutableBufferPointer(rebasing: direction[range])
      for i in 0..<range.count { piece[i] = Float(sums[i]) }
      try made(range)
    }
    var (product, others) = (0.0, 0.0)
    for (i, coefficient) in c.enumerated() {
      product += gram[slot * window.capacity + i] * coefficient
      if i != slot { others += coefficient * coefficient }
    }
    return DirectionProducts(
      square: max(c[slot] * product - shift * others, 0), withGradient: product)
  }

  /// `(F + ggᵀ/m)⁻¹g = (m/s)(g − GᵀS⁻¹Gg)` with `s = mλ + g·g − (Gg)ᵀS⁻¹Gg`, for a gradient g beside those
  /// of the window: this slice of it.
  ///
  /// What inserting it would give in a window with room for it. s is at least mλ: without ggᵀ/m, as in
  /// `inverseProduct`, the same vector would be longer by s/(mλ), which is large for a gradient far
  /// from the window's span.
  ///
  /// - Parameters:
  ///   - g: this slice.
  ///   - products: G g over the whole of d, shape [filled]: `window.partialProducts(with:inserting:
  ///     false)` summed.
  ///   - square: g·g over the whole of d.
  ///   - direction: may be g itself.
  ///   - made: is called with each cell that the direction has been made of.
  /// - Returns: the direction's products over the whole of d: with `a = S⁻¹Gg` and `r = g·g − a·Gg` they
  ///   are `g·u = (m/s) r` and `u·u = (m/s)² (r − mλ a·a)`.
  @discardableResult
  public func direction(
    beside g: UnsafeBufferPointer<Float>, products: [Double], square: Double,
    into direction: UnsafeMutableBufferPointer<Float>, made: (Range<Int>) throws -> Void
  ) rethrows -> DirectionProducts {
    let solution = solve(products)
    let rest = square - zip(products, solution).reduce(0) { $0 + $1.0 * $1.1 }
    // Rounding may bring a gradient within the span below mλ.
    let scale = Double(window.capacity) / max(shift + rest, shift)
    try window.combine(solution) { range, sums in
      for i in range {
        direction[i] = Float((Double(g[i]) - sums[i - range.lowerBound]) * scale)
      }
      try made(range)
    }
    let size = solution.reduce(0) { $0 + $1 * $1 }
    return DirectionProducts(
      square: max(scale * scale * (rest - shift * size), 0), withGradient: scale * rest)
  }

  /// The eigenvalues of K over the filled slots, in increasing order.
  ///
  /// - Complexity: O(m³).
  public func spectrum() -> [Double] {
    let (m, filled) = (window.capacity, window.filled)
    let filledPart = (0..<filled).flatMap { gram[$0 * m..<$0 * m + filled] }
    return SymmetricEigen.values(of: filledPart[...], order: filled)
  }
}
