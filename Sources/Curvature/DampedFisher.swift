import LinearAlgebra

/// The damped empirical Fisher matrix `F = λI + (1/m) GᵀG` of a window of gradients, by its m×m
/// side.
///
///     G [m, d]   the window; here the columns of a slice
///     K [m, m]   GGᵀ in double precision, whole: the same bits on every rank
///     S          K + mλI, and its Cholesky factor
///
/// One address space: what needs a sum over the whole of d takes that sum as an argument, so that
/// the sequential and the sharded form are the same code. m is the window's capacity, also while it
/// fills.
///
/// Frantar, Kurtic and Alistarh, "M-FAC: Efficient matrix-free approximations of second-order
/// information", 2021.
public final class DampedFisher<Element: Scalar> {
  /// The gradients G that F is made of, this rank's columns.
  public private(set) var window: GradientWindow<Element>
  /// λ > 0, of the factor.
  public internal(set) var damping: Double
  /// The λ > 0 that is asked for. The factor takes it when S is factored anew in any case, and at
  /// once where its own is more than a tenth off, so that a λ that drifts costs little; the very
  /// first it takes at once too.
  public var wantedDamping: Double {
    didSet { precondition(wantedDamping > 0 && wantedDamping.isFinite, "damping \(wantedDamping)") }
  }
  /// K, shape [m, m]; rows and columns of empty slots are zero.
  public internal(set) var gram: [Double]
  /// Of S, its rows from the oldest gradient to the newest.
  package let factor: CholeskyFactor
  /// Whether the factor is kept up from step to step; else S is factored anew in each.
  public internal(set) var isFactorMaintained = true

  /// - Parameters:
  ///   - window: an empty window.
  ///   - damping: λ > 0.
  public init(window: GradientWindow<Element>, damping: Double) {
    precondition(damping > 0 && damping.isFinite, "a damping of \(damping)")
    precondition(window.filled == 0, "a window that holds \(window.filled) gradients already")
    self.window = window
    self.damping = damping
    wantedDamping = damping
    let m = window.capacity
    gram = MemoryCount.zeros(m * m)
    factor = CholeskyFactor(capacity: m, reserve: Self.reserve(m))
  }

  /// Replacements between two factorisations: seldom enough that these cost little beside the rest,
  /// at a quarter more memory.
  private static func reserve(_ m: Int) -> Int { max(m / 8, 8) }

  /// Puts a gradient in the place of the oldest one.
  ///
  /// - Parameters:
  ///   - gradient: this slice of it, as `window.stage` made it.
  ///   - products: its products with the window and with itself, over the whole of d:
  ///     `window.partialProducts(with:inserting: true)` summed.
  /// - Returns: its slot.
  /// - Throws: `NotPositiveDefinite` where λ is too small for double precision; the gradient is in
  ///   the window, and there is no factor to solve with before the next insertion.
  /// - Complexity: O(m²), and O(m³) once in m/8 times and where λ changes.
  @discardableResult
  public func insert(
    _ gradient: UnsafeBufferPointer<Element>, products: [Double]
  ) throws -> Int {
    precondition(
      products.count == window.width(inserting: true), "\(products.count) products of a gradient")
    let m = window.capacity
    let losesOldest = window.filled == m
    let slot = window.replaceOldest(with: gradient)
    for (other, product) in products.enumerated() {
      gram[slot * m + other] = product
      gram[other * m + slot] = product
    }
    if isFactorMaintained, !isDampingFarOff, factor.order > 0,
      factor.order == window.filled - (losesOldest ? 0 : 1)
    {
      if losesOldest { factor.removeFirst() }
      if factor.hasRoom {
        do {
          let others = slots.dropLast()
          try factor.append(row: others.map { products[$0] }, diagonal: products[slot] + shift)
          if !factor.hasRoom { checkFactor() }
          return slot
        } catch {
          // Rounding may have brought it there: a new factor tells.
        }
      }
    }
    try refactor()
    return slot
  }

  /// Follows `wantedDamping` where no gradient is inserted.
  ///
  /// - Throws: as `insert`.
  public func refactorIfDampingChanged() throws {
    if isDampingFarOff { try refactor() }
  }

  private var isDampingFarOff: Bool {
    max(damping / wantedDamping, wantedDamping / damping) > 1.1
  }

  /// Factors S anew, with the λ that is asked for.
  private func refactor() throws {
    damping = wantedDamping
    // An empty slot's row of S is mλ on the diagonal and nothing else: it is left out.
    try factor.factor(gram, stride: window.capacity, rows: slots, shift: shift)
  }

  /// Goes on with a window of the same gradients in other columns; the factor is made anew.
  ///
  /// - Parameter products: GGᵀ of the filled slots over the whole of d, shape [filled, filled]: its
  ///   lower triangle.
  /// - Throws: as `insert`.
  public func replaceWindow(with window: GradientWindow<Element>, products: [Double]) throws {
    let (m, filled) = (window.capacity, window.filled)
    precondition(
      m == self.window.capacity && filled == self.window.filled
        && window.oldest == self.window.oldest
        && products.count == filled * filled,
      "\(products.count) products of a window of \(filled) gradients")
    self.window = window
    for i in 0..<filled {
      for j in 0...i {
        gram[i * m + j] = products[i * filled + j]
        gram[j * m + i] = products[i * filled + j]
      }
    }
    if filled > 0 { try refactor() }
  }

  /// The mean diagonal element of K/m over the gradients in the window: the scale of a relative
  /// damping.
  ///
  /// - Parameter square: g·g of a gradient that will take the place of the oldest, where there is
  ///   one.
  public func meanDiagonal(inserting square: Double?) -> Double {
    let (m, count) = (window.capacity, window.width(inserting: square != nil))
    var sum = 0.0
    for slot in 0..<count {
      sum += (slot == window.oldest ? square : nil) ?? gram[slot * m + slot]
    }
    return sum / Double(max(count, 1) * m)
  }

  /// The filled slots, from the oldest gradient to the newest.
  private var slots: [Int] {
    let first = window.filled == window.capacity ? window.oldest : 0
    return (0..<window.filled).map { (first + $0) % window.capacity }
  }

  /// mλ
  var shift: Double { Double(window.capacity) * damping }

  /// Before the factor is made anew: whether it still solves as it should. The residual of a stable
  /// solution is that of rounding S and c, some units of 1e-16·√m; where it is far above, the
  /// factor is not kept up any more.
  private func checkFactor() {
    let (m, slots, c) = (window.capacity, slots, factor.solveLastUnit())
    var residual = 0.0
    var scale = 0.0
    for (row, slot) in slots.enumerated() {
      var sum = shift * c[row] - (row == slots.count - 1 ? 1 : 0)
      var size = (shift * c[row]).magnitude
      for (column, other) in slots.enumerated() {
        let term = gram[slot * m + other] * c[column]
        sum += term
        size += term.magnitude
      }
      residual = max(residual, sum.magnitude)
      scale = max(scale, size)
    }
    isFactorMaintained = residual <= 1e-11 * scale
  }

  /// Coefficients c, shape [filled], of the direction `F⁻¹gⱼ = Gᵀc` for the gradient in slot j:
  /// `c = m S⁻¹eⱼ`.
  ///
  /// Exact, and free of the cancellation of `(x − GᵀS⁻¹Gx)/λ` for a gradient within the window,
  /// which at small λ loses all its digits.
  public func coefficients(forSlot slot: Int) -> [Double] {
    let slots = slots
    let m = Double(window.capacity)
    let solution: [Double]
    if slots.last == slot {
      solution = factor.solveLastUnit()
    } else {
      solution = factor.solve(slots.map { $0 == slot ? 1 : 0 })
    }
    return inSlots(solution.map { m * $0 }, slots)
  }

  /// S⁻¹b for numbers in the order of the slots.
  func solve(_ b: [Double]) -> [Double] {
    let slots = slots
    return inSlots(factor.solve(slots.map { b[$0] }), slots)
  }

  private func inSlots(_ numbers: [Double], _ slots: [Int]) -> [Double] {
    var ordered = [Double](repeating: 0, count: slots.count)
    for (number, slot) in zip(numbers, slots) { ordered[slot] = number }
    return ordered
  }

  /// `xᵀFx = λ x·x + ‖Gx‖²/m`.
  ///
  /// - Parameters:
  ///   - products: G x over the whole of d, shape [filled], and gᵀx for a gradient g beside the
  ///     window's, where F is to have it too.
  ///   - square: x·x over the whole of d.
  public func quadraticForm(products: [Double], square: Double) -> Double {
    damping * square + products.reduce(0) { $0 + $1 * $1 } / Double(window.capacity)
  }

  /// `F⁻¹x = (x − GᵀS⁻¹Gx)/λ`, the inverse-Hessian-vector product, for an x outside the window:
  /// this slice of it.
  ///
  /// For `x = αgⱼ + y` take `α·direction(forSlot: j)` and this form for y alone. The nearer x is to
  /// the window's span, the more digits the difference loses before 1/λ enlarges it.
  ///
  /// - Parameters:
  ///   - x: this slice.
  ///   - products: G x over the whole of d, shape [filled]: `window.partialProducts(with:inserting:
  ///     false)` summed.
  @specialized(where Element == Float)
  @specialized(where Element == Double)
  public func inverseProduct(
    _ x: UnsafeBufferPointer<Element>, products: [Double],
    into result: UnsafeMutableBufferPointer<Element>
  ) {
    let scale = 1 / damping
    window.combine(solve(products)) { range, sums in
      let piece = UnsafeMutableBufferPointer(rebasing: result[range])
      let local = UnsafeBufferPointer(rebasing: x[range])
      for i in 0..<range.count { piece[i] = Element((Double(local[i]) - sums[i]) * scale) }
    }
  }
}
