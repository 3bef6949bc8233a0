import Curvature
import Glibc

/// The direction u along which a step goes, before the learning rate, beside its gradient g; over
/// the whole of d, the same on all ranks.
///
/// g is the gradient as the optimizer takes it: clipped, with coupled weight decay, and of M-FAC as
/// its window stores it. u is `F⁻¹g` of M-FAC, before momentum; of SGD the velocity, for its
/// direction before momentum is g; of AdamW `m̂/(√v̂ + ε)`.
public struct DirectionMeasure: Sendable, Equatable {
  /// ‖u‖.
  public let norm: Double
  /// `arccos(g·u/(‖g‖‖u‖))`, in degrees; nil where g or u is zero, or where it
  /// is not known.
  public let angle: Double?

  /// - Parameters:
  ///   - u: u·u and g·u.
  ///   - gradientSquare: g·g.
  init(_ u: DirectionProducts, gradientSquare: Double) {
    norm = u.square.squareRoot()
    let lengths = norm * gradientSquare.squareRoot()
    let cosine = u.withGradient / lengths
    angle =
      lengths > 0 && lengths.isFinite && cosine.isFinite
      ? acos(min(max(cosine, -1), 1)) * 180 / .pi : nil
  }
}
