import LinearAlgebra

/// Measures gradients in the diagonal metric of Adam; each rank holds its slice.
///
///     v [d/p]   v ← β₂v + (1 − β₂)g²
///     s [d/p]   √(v/(1 − β₂ᵗ)) + ε, Adam's denominator
///     h = g/√s  the gradient's row in the window
///     u = ũ/√s  the direction, from the window's direction ũ
///
/// With D = diag(s), the window's Fisher matrix is then that of gradients in coordinates √s·w, and
/// its direction solves (λD + GᵀG/m)u = g. Rows keep the metric of their insertion, so the metric
/// should change little in m steps: β₂ ≥ 1 − 1/m.
///
/// Kingma and Ba, 2015: the metric.
final class DiagonalMetric<Element: Scalar> {
  private let settings: MFACConfiguration.AdamMetric
  private var second: Buffer<Element>
  /// The v that follows if the step is taken.
  private var pending: Buffer<Element>
  /// β₂ᵗ of v, and of the v that follows.
  private var power = 1.0
  private var pendingPower = 1.0

  init(_ settings: MFACConfiguration.AdamMetric, count: Int) {
    self.settings = settings
    second = Buffer(count: count)
    pending = Buffer(count: count)
  }

  /// Replaces a gradient g by h = g/√s in the metric that includes it; `commit` adopts that metric.
  ///
  /// - Parameters:
  ///   - g: this rank's slice, shape [d/p].
  ///   - cells: its cells.
  func scale(_ g: UnsafeMutableBufferPointer<Element>, cells: [Range<Int>]) {
    pendingPower = power * settings.decay
    let (v, next) = (second.pointer, pending.pointer)
    for cell in cells {
      Element.averageSquares(
        count: cell.count, decay: Element(settings.decay), of: g.baseAddress! + cell.lowerBound,
        v + cell.lowerBound, into: next + cell.lowerBound)
      divide(g, cell, next, power: pendingPower)
    }
  }

  /// Adopts the metric of the last scaled gradient, whose step is taken.
  func commit() {
    swap(&second, &pending)
    power = pendingPower
  }

  /// Replaces ũ by u = ũ/√s in a run of the slice.
  func divide(_ u: UnsafeMutableBufferPointer<Element>, _ range: Range<Int>) {
    divide(u, range, second.pointer, power: power)
  }

  /// Computes s from v.
  private struct Denominator {
    let correction: Element
    let epsilon: Element

    @inline(__always)
    func callAsFunction(_ v: Element) -> Element { v.squareRoot() * correction + epsilon }
  }

  /// Returns s for a v of weight 1 − β₂ᵗ; nil before the first step, when the metric is that of the
  /// identity.
  @inline(__always)
  private func denominator(power: Double) -> Denominator? {
    guard power < 1 else { return nil }
    return Denominator(
      correction: Element(1 / (1 - power).squareRoot()), epsilon: Element(settings.epsilon))
  }

  private func divide(
    _ x: UnsafeMutableBufferPointer<Element>, _ range: Range<Int>,
    _ v: UnsafeMutablePointer<Element>, power: Double
  ) {
    guard let s = denominator(power: power) else { return }
    Element.divide(
      count: range.count, x.baseAddress! + range.lowerBound, byMetric: v + range.lowerBound,
      correction: s.correction, epsilon: s.epsilon)
  }

  /// Replaces a change δ of the parameters by √s·δ, its coordinates in the window.
  @specialized(where Element == Float)
  @specialized(where Element == Double)
  func multiply(_ x: UnsafeMutableBufferPointer<Element>) {
    guard let s = denominator(power: power) else { return }
    let v = second.pointer
    for i in x.indices { x[i] *= s(v[i]).squareRoot() }
  }

  /// Returns g·g of a run of the slice for h = g/√s, after the first step.
  @specialized(where Element == Float)
  @specialized(where Element == Double)
  func square(of h: UnsafeBufferPointer<Element>, _ range: Range<Int>) -> Double {
    let s = denominator(power: power)!
    let v = second.pointer
    return range.reduce(0) { $0 + Double(h[$1]) * Double(h[$1]) * Double(s(v[$1])) }
  }

  /// Forgets the metric of parameters that now stay zero.
  func clearZeros(_ slice: ParameterSlice) { slice.clearZeros(of: second.all) }

  /// v of a cell, as a checkpoint stores it.
  func array(_ cell: Range<Int>) -> StoredArray { second.array("second", cell) }

  var numbers: [String: Double] { ["metric_power": power] }

  func resume(_ numbers: [String: Double]) throws { power = try numbers.stored("metric_power") }
}
