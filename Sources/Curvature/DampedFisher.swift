import LinearAlgebra

/// The damped empirical Fisher matrix `F = λI + (1/m) GᵀG` of a window of gradients; computes with
/// its m×m side.
///
///     G [m, d]   the window; here the columns of a slice
///     K [m, m]   GGᵀ in double precision, whole: the same bits on every rank
///     S          K + mλI, and its Cholesky factor
///
/// The type uses one address space. A function that needs a sum over the whole of d takes that sum
/// as an argument. So the sequential and the sharded form are the same code. m is the window's
/// capacity, also while the window fills.
///
/// Frantar, Kurtic and Alistarh, "M-FAC: Efficient matrix-free approximations of second-order
/// information", 2021.
public final class DampedFisher<Element: Scalar> {
  /// The window of gradients G, this rank's columns.
  public private(set) var window: GradientWindow<Element>
  /// λ > 0 of the current factor.
  public internal(set) var damping: Double
  /// The requested λ > 0. The factor adopts it when S is factored again for another reason, so a λ
  /// that drifts costs little. The factor adopts it at once if its own λ is off by more than a
  /// tenth, and at the first insertion.
  public var wantedDamping: Double {
    didSet { precondition(wantedDamping > 0 && wantedDamping.isFinite, "damping \(wantedDamping)") }
  }
  /// K, shape [m, m]; rows and columns of empty slots are zero.
  public internal(set) var gram: [Double]
  /// The Cholesky factor of S, rows ordered from the oldest gradient to the newest.
  package let factor: CholeskyFactor
  /// True if the factor is updated from step to step; false if each step factors S again.
  public internal(set) var isFactorMaintained = true

  /// Creates the matrix of an empty window.
  ///
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

  /// Returns the replacements between two factorizations: enough to make their cost small, for a
  /// quarter more memory.
  private static func reserve(_ m: Int) -> Int { max(m / 8, 8) }

  /// Replaces the oldest gradient of the window and updates K and the factor.
  ///
  /// - Parameters:
  ///   - gradient: this slice of it, as `window.stage` left it.
  ///   - products: its products with the window and with itself, over the whole of d:
  ///     `window.partialProducts(with:inserting: true)` summed.
  /// - Returns: its slot.
  /// - Throws: `NotPositiveDefinite` if λ is too small for double precision. The gradient is then
  ///   in the window, but there is no factor to solve with before the next insertion.
  /// - Complexity: O(m²); O(m³) once every m/8 insertions and when λ changes.
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
          // Rounding may be the cause: refactor() decides.
        }
      }
    }
    try refactor()
    return slot
  }

  /// Adopts a changed `wantedDamping` when no gradient is inserted.
  ///
  /// - Throws: the errors of `insert`.
  public func refactorIfDampingChanged() throws {
    if isDampingFarOff { try refactor() }
  }

  private var isDampingFarOff: Bool {
    max(damping / wantedDamping, wantedDamping / damping) > 1.1
  }

  /// Factors S with the requested λ.
  private func refactor() throws {
    damping = wantedDamping
    // An empty slot's row of S is zero except for mλ on the diagonal: it is left out.
    try factor.factor(gram, stride: window.capacity, rows: slots, shift: shift)
  }

  /// Replaces the window by one of the same gradients in other columns, and factors S again.
  ///
  /// - Parameter products: GGᵀ of the filled slots over the whole of d, shape [filled, filled];
  ///   only the lower triangle is read.
  /// - Throws: the errors of `insert`.
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

  /// Returns the mean diagonal element of K/m over the gradients in the window: the scale of a
  /// relative damping.
  ///
  /// - Parameter square: g·g of a gradient that will replace the oldest one; nil if there is none.
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

  /// Decides, before S is factored again, whether later steps may update the factor. A stable
  /// solution has the residual that rounding S and c causes, some units of 1e-16·√m. If the
  /// residual is far larger, each step factors S.
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

  /// Returns the coefficients c, shape [filled], of the direction `F⁻¹gⱼ = Gᵀc` for the gradient in
  /// slot j: `c = m S⁻¹eⱼ`.
  ///
  /// The form is exact. It avoids the cancellation of `(x − GᵀS⁻¹Gx)/λ`, which at small λ loses all
  /// digits for a gradient within the window.
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

  /// Returns S⁻¹b for numbers in the order of the slots.
  func solve(_ b: [Double]) -> [Double] {
    let slots = slots
    return inSlots(factor.solve(slots.map { b[$0] }), slots)
  }

  /// Returns numbers that go from the oldest gradient to the newest in the order of the slots.
  func inSlots(_ numbers: [Double]) -> [Double] { inSlots(numbers, slots) }

  private func inSlots(_ numbers: [Double], _ slots: [Int]) -> [Double] {
    var ordered = [Double](repeating: 0, count: slots.count)
    for (number, slot) in zip(numbers, slots) { ordered[slot] = number }
    return ordered
  }

  /// Returns `xᵀFx = λ x·x + ‖Gx‖²/m`.
  ///
  /// - Parameters:
  ///   - products: G x over the whole of d, shape [filled]. Append gᵀx for a gradient g outside the
  ///     window that F should include.
  ///   - square: x·x over the whole of d.
  public func quadraticForm(products: [Double], square: Double) -> Double {
    damping * square + products.reduce(0) { $0 + $1 * $1 } / Double(window.capacity)
  }

  /// Writes this slice of `F⁻¹x = (x − GᵀS⁻¹Gx)/λ`, the inverse-Hessian-vector product, for an x
  /// outside the window.
  ///
  /// For `x = αgⱼ + y` take `α·direction(forSlot: j)` and this form for y alone. The nearer x is to
  /// the window's span, the more digits the difference loses before 1/λ enlarges it.
  ///
  /// - Parameters:
  ///   - x: this slice.
  ///   - products: G x over the whole of d, shape [filled]:
  ///     `window.partialProducts(with:inserting: false)` summed.
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
