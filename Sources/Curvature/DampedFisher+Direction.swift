import LinearAlgebra

/// Holds the products `u·u` and `g·u` of a direction u = F⁻¹g, over the whole of d.
public struct DirectionProducts: Sendable, Equatable {
  /// u·u ≥ 0.
  public var square: Double
  /// g·u.
  public var withGradient: Double
  /// A bound on the relative errors of both, which may be differences of large numbers.
  public var error: Double

  /// Creates the products.
  ///
  /// - Parameters:
  ///   - square: u·u.
  ///   - withGradient: g·u.
  ///   - error: a bound on their relative errors.
  public init(square: Double, withGradient: Double, error: Double = 0) {
    self.square = square
    self.withGradient = withGradient
    self.error = error
  }
}

/// Combines the window's gradients and one vector x outside it to a direction: `Gᵀc + σx`,
/// or `σ(x − Gᵀc)`.
public struct WindowDirection {
  /// c, shape [filled].
  private(set) var coefficients: [Double]
  fileprivate private(set) var form: Form
  /// Its products, computed from the m×m side.
  public private(set) var products: DirectionProducts
  /// `‖Gu‖²/m = uᵀ(GᵀG/m)u` of the direction u: the mean square of gᵢᵀu over the window, whose
  /// empty slots count as zeros. If the direction's gradient is not in the window, G includes it.
  public private(set) var change: Double

  fileprivate enum Form {
    case inWindow
    case difference(scale: Double)
    case sum(scale: Double)
  }

  /// Multiplies the direction by `factor` ≥ 0.
  public mutating func scale(by factor: Double) {
    switch form {
    case .inWindow: for i in coefficients.indices { coefficients[i] *= factor }
    case .difference(let scale): form = .difference(scale: factor * scale)
    case .sum(let scale):
      for i in coefficients.indices { coefficients[i] *= factor }
      form = .sum(scale: factor * scale)
    }
    products.square *= factor * factor
    products.withGradient *= factor
    change *= factor * factor
  }
}

extension DampedFisher {
  private static var roundings: Double { ShiftedRounding.ofASum }

  /// A bound on the relative error of a direction from S's factor: 8·2⁻⁵³·(1 + tr(K)/(mλ)). λ must
  /// stand out from that rounding.
  ///
  /// - Complexity: O(m).
  public var factorError: Double { ShiftedRounding(trace: trace, shift: shift).ofSums }

  /// Returns √Sᵢᵢ|cᵢ|, shape [filled].
  private func sizes(_ c: [Double]) -> [Double] {
    let m = window.capacity
    return c.enumerated().map { i, coefficient in
      (gram[i * m + i] + shift).squareRoot() * coefficient.magnitude
    }
  }

  /// Returns the mean over the window's slots, filled or not.
  private func mean(_ sum: Double) -> Double { sum / Double(window.capacity) }

  private var trace: Double {
    let m = window.capacity
    return (0..<window.filled).reduce(0) { $0 + gram[$1 * m + $1] }
  }

  /// Writes this slice of `F⁻¹gⱼ` for the gradient in slot j.
  public func direction(forSlot slot: Int, into direction: UnsafeMutableBufferPointer<Element>) {
    self.direction(forSlot: slot, into: direction) { _ in }
  }

  /// Writes this slice of `F⁻¹gⱼ = Gᵀc` for the gradient in slot j.
  ///
  /// - Parameter onCellReady: called with each cell once its part of the direction is written.
  /// - Returns: the direction's products.
  @discardableResult
  public func direction(
    forSlot slot: Int, into direction: UnsafeMutableBufferPointer<Element>,
    onCellReady: (Range<Int>) throws -> Void
  ) rethrows -> DirectionProducts {
    let plan = self.direction(forSlot: slot)
    try write(plan, into: direction, onCellReady: onCellReady)
    return plan.products
  }

  /// Plans the direction u of the gradient in slot j without writing it.
  ///
  ///     Sc = m eⱼ,   gⱼ·u = (Kc)ⱼ,   u·u = cᵀKc = cⱼ gⱼ·u − mλ Σ_{i≠j} cᵢ²    over the whole of d
  ///
  /// - Complexity: O(m²).
  public func direction(forSlot slot: Int) -> WindowDirection {
    let c = coefficients(forSlot: slot)
    var (product, others, size) = (0.0, 0.0, 0.0)
    for (i, coefficient) in c.enumerated() {
      let term = gram[slot * window.capacity + i] * coefficient
      product += term
      size += term.magnitude
      if i != slot { others += coefficient * coefficient }
    }
    let square = max(c[slot] * product - shift * others, 0)
    // S's factor solves Sc = m eⱼ up to a residual r, of about the rounding of √Sᵢᵢ·Σ √Sₖₖ|cₖ|. The
    // products above leave out Σ_{i≠j} cᵢrᵢ.
    let sizes = self.sizes(c)
    let all = sizes.reduce(0, +)
    let rounding =
      (all - sizes[slot]) * all + c[slot].magnitude * size + shift * others
    let error = Self.roundings * max(rounding / square, size / product.magnitude)
    return WindowDirection(
      coefficients: c, form: .inWindow,
      products: DirectionProducts(square: square, withGradient: product, error: error),
      change: mean(product * product + shift * shift * others))
  }

  /// Plans the direction of the moving average `Gᵀa` of the window's gradients without writing it.
  ///
  ///     Sc = ma,   Gu = Kc = ma − mλc,   u·u = cᵀKc    over the whole of d
  ///
  /// - Parameter history: a; with β = 0 it is the direction of the newest gradient.
  /// - Complexity: O(m²).
  public func direction(of history: HistoryWeights) -> WindowDirection {
    guard history.decay > 0 else { return direction(forSlot: window.newest) }
    let m = Double(window.capacity)
    let a = inSlots(history(window.filled))
    let c = solve(a).map { m * $0 }
    let image = zip(a, c).map { m * $0 - shift * $1 }
    let sizes = self.sizes(c)
    let all = sizes.reduce(0, +)
    let (square, rounding) = zip(image, zip(a, c)).reduce((0, all * all)) { sums, term in
      let (a, c) = term.1
      return (
        sums.0 + c * term.0, sums.1 + c.magnitude * (m * a.magnitude + shift * c.magnitude)
      )
    }
    let newest = window.newest
    let size =
      m * a[newest] + shift * c[newest].magnitude
      + (gram[newest * window.capacity + newest] + shift).squareRoot() * all
    return WindowDirection(
      coefficients: c, form: .inWindow,
      products: DirectionProducts(
        square: max(square, 0), withGradient: image[newest],
        error: Self.roundings * max(rounding / square, size / image[newest].magnitude)),
      change: mean(image.reduce(0) { $0 + $1 * $1 }))
  }

  /// Plans the direction of the moving average of the window's gradients and one gradient g beside
  /// it, as if the window also held g.
  ///
  /// The weights are (a, α). By linearity the direction is `m GᵀS⁻¹a + (α − aᵀS⁻¹Gg) u`.
  ///
  /// - Parameters:
  ///   - history: the weights.
  ///   - plan: a plan of the direction u of g alone.
  ///   - products: G g over the whole of d.
  ///   - span: the solution S⁻¹Gg that the plan's vector x lacks: none if x is g itself, a if it is
  ///     the rest r = g − Gᵀa.
  /// - Returns: a plan to be written with the same vector x.
  public func direction(
    of history: HistoryWeights, beside plan: WindowDirection, products: [Double],
    span: [Double]? = nil
  ) -> WindowDirection {
    guard history.decay > 0, window.filled > 0 else { return plan }
    let m = Double(window.capacity)
    let weights = history(window.filled + 1)
    let a = inSlots(Array(weights.dropLast()))
    let solution = solve(a)
    let share = weights.last! - zip(solution, products).reduce(0) { $0 + $1.0 * $1.1 }
    let scale: Double
    var c = plan.coefficients
    switch plan.form {
    case .inWindow: preconditionFailure("the plan of a gradient in the window")
    case .difference(let factor):
      scale = share * factor
      for i in c.indices { c[i] = m * solution[i] - scale * c[i] }
    case .sum(let factor):
      scale = share * factor
      for i in c.indices { c[i] = m * solution[i] + share * c[i] }
    }
    // The coefficients of the window's gradients and of g itself, and their products with u.
    let all = c.indices.map { c[$0] - scale * (span?[$0] ?? 0) } + [scale]
    let image = zip(a + [weights.last!], all).map { m * $0 - shift * $1 }
    let square = zip(image, all).reduce(0) { $0 + $1.0 * $1.1 }
    return WindowDirection(
      coefficients: c, form: .sum(scale: scale),
      products: DirectionProducts(
        square: max(square, 0), withGradient: image.last!, error: .infinity),
      change: mean(image.reduce(0) { $0 + $1 * $1 }))
  }

  /// Writes this slice of the direction of a gradient g outside the window.
  ///
  ///     (F + ggᵀ/m)⁻¹g = (m/s)(g − GᵀS⁻¹Gg)    with s = mλ + g·g − (Gg)ᵀS⁻¹Gg
  ///
  /// This is the direction that g would have if the window had room to insert it. s is at least mλ.
  /// Without ggᵀ/m, as in `inverseProduct`, the same vector would be longer by s/(mλ). That factor
  /// is large for a gradient far from the window's span.
  ///
  /// - Parameters:
  ///   - g: this slice.
  ///   - products: G g over the whole of d, shape [filled]:
  ///     `window.partialProducts(with:inserting: false)` summed.
  ///   - square: g·g over the whole of d.
  ///   - direction: may be g itself.
  ///   - onCellReady: called with each cell once its part of the direction is written.
  /// - Returns: the direction's products.
  @discardableResult
  public func direction(
    beside g: UnsafeBufferPointer<Element>, products: [Double], square: Double,
    into direction: UnsafeMutableBufferPointer<Element>, onCellReady: (Range<Int>) throws -> Void
  ) rethrows -> DirectionProducts {
    let plan = self.direction(products: products, square: square)
    try write(plan, beside: g, into: direction, onCellReady: onCellReady)
    return plan.products
  }

  /// Plans the direction u of a gradient g outside the window without writing it.
  ///
  ///     a = S⁻¹Gg,   r = g·g − a·Gg,   g·u = (m/s) r,   u·u = (m/s)² (r − mλ a·a)
  ///
  /// - Complexity: O(m²).
  public func direction(products: [Double], square: Double) -> WindowDirection {
    let solution = solve(products)
    let inside = zip(products, solution).reduce(0) { $0 + $1.0 * $1.1 }
    let rest = square - inside
    // Rounding may bring the s of a gradient within the span below mλ.
    let scale = Double(window.capacity) / max(shift + rest, shift)
    let size = solution.reduce(0) { $0 + $1 * $1 }
    let length = max(rest - shift * size, 0)
    let all = sizes(solution).reduce(0, +)
    let rounding = Self.roundings * (square + inside.magnitude + all * all)
    return WindowDirection(
      coefficients: solution, form: .difference(scale: scale),
      products: DirectionProducts(
        square: scale * scale * length, withGradient: scale * rest,
        error: rounding / min(length, rest.magnitude)),
      change: mean(scale * scale * (rest * rest + shift * shift * size)))
  }

  /// Writes this slice of the residual of g outside the window's span, `r = g − GᵀS⁻¹Gg`.
  ///
  /// - Parameters:
  ///   - g: this slice.
  ///   - products: G g over the whole of d.
  ///   - rest: may be g itself.
  /// - Returns: a = S⁻¹Gg.
  public func writeRest(
    of g: UnsafeBufferPointer<Element>, products: [Double],
    into rest: UnsafeMutableBufferPointer<Element>
  ) -> [Double] {
    let solution = solve(products)
    write(
      WindowDirection(
        coefficients: solution, form: .difference(scale: 1),
        products: DirectionProducts(square: 0, withGradient: 0), change: 0),
      beside: g, into: rest
    ) { _ in }
    return solution
  }

  /// Plans `(F + ggᵀ/m)⁻¹g` for a gradient near the window's span, for which
  /// `direction(products:square:)` would lose its digits.
  ///
  /// With `g = Gᵀa + r` it is `(mλ/s)(Gᵀ(m S⁻¹a − S⁻¹Gr/λ) + r/λ)` and `s = mλ + a·Gr + r·r`. No
  /// term is a difference of large numbers, whatever rounding error r carries.
  ///
  /// - Parameters:
  ///   - solution: a.
  ///   - products: G r over the whole of d, for the r that `writeRest` wrote.
  ///   - square: r·r over the whole of d.
  /// - Returns: a plan to be written with r as its vector x; its products are not known.
  public func direction(
    refining solution: [Double], products: [Double], square: Double
  ) -> WindowDirection {
    let m = Double(window.capacity)
    let rest = zip(solution, products).reduce(square) { $0 + $1.0 * $1.1 }
    let scale = shift / max(shift + rest, shift)
    let coefficients = zip(solve(solution), solve(products)).map { scale * (m * $0 - $1 / damping) }
    // G u = −mλc for the window's gradients, with c = coefficients − (scale/λ)a.
    let image = zip(coefficients, solution).map { shift * ($0 - scale / damping * $1) }
    let own = m * (1 - scale)
    return WindowDirection(
      coefficients: coefficients, form: .sum(scale: scale / damping),
      products: DirectionProducts(square: 0, withGradient: 0, error: .infinity),
      change: mean(image.reduce(own * own) { $0 + $1 * $1 }))
  }

  /// Writes this slice of a planned direction.
  ///
  /// - Parameters:
  ///   - x: the vector outside the window, if the plan needs one.
  ///   - direction: may be x itself.
  ///   - onCellReady: called with each cell once its part of the direction is written.
  @specialized(where Element == Float)
  @specialized(where Element == Double)
  public func write(
    _ plan: WindowDirection, beside x: UnsafeBufferPointer<Element>? = nil,
    into direction: UnsafeMutableBufferPointer<Element>, onCellReady: (Range<Int>) throws -> Void
  ) rethrows {
    try window.combine(plan.coefficients) { range, sums in
      let piece = UnsafeMutableBufferPointer(rebasing: direction[range])
      switch plan.form {
      case .inWindow:
        for i in 0..<range.count { piece[i] = Element(sums[i]) }
      case .difference(let scale):
        let x = UnsafeBufferPointer(rebasing: x![range])
        for i in 0..<range.count { piece[i] = Element((Double(x[i]) - sums[i]) * scale) }
      case .sum(let scale):
        let x = UnsafeBufferPointer(rebasing: x![range])
        for i in 0..<range.count { piece[i] = Element(sums[i] + scale * Double(x[i])) }
      }
      try onCellReady(range)
    }
  }

  /// Returns the eigenvalues of K over the filled slots, in increasing order.
  ///
  /// - Complexity: O(m³).
  public func spectrum() -> [Double] {
    let (m, filled) = (window.capacity, window.filled)
    let filledPart = (0..<filled).flatMap { gram[$0 * m..<$0 * m + filled] }
    return SymmetricEigen.values(of: filledPart[...], order: filled)
  }
}
