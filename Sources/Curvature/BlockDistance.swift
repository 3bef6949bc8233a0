/// How far a matrix K is from an exact block F of curvature.
public struct BlockDistance: Sendable {
  /// Smaller ones may be roundings, where they are differences of squares.
  public static let resolution = 1e-7

  /// ‖F‖, in Frobenius norm.
  public let exactNorm: Double
  /// ‖K‖
  public let norm: Double
  /// ‖K − F‖/‖F‖; 0 where both are zeros, infinite where F alone is.
  public let relative: Double
  /// ⟨K, F⟩/(‖K‖‖F‖): 1 where K is F but for its scale; not a number where one is zero.
  public let cosine: Double
  /// Whether `relative` may be as small as roundings of the elements are, not of their squares.
  public let isByElements: Bool

  init(exact: Double, other: Double, inner: Double) {
    (exactNorm, norm) = (exact, other)
    let square = max(exact * exact - 2 * inner + other * other, 0)
    relative = square == 0 ? 0 : square.squareRoot() / exact
    cosine = inner / (exact * other)
    isByElements = false
  }

  init(_ distance: BlockDistance, relative: Double) {
    (exactNorm, norm, cosine) = (distance.exactNorm, distance.norm, distance.cosine)
    self.relative = relative
    isByElements = true
  }
}
