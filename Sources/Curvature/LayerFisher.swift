import LinearAlgebra
import Sharding

/// A layer's exact damped block of the Fisher matrix as a product, `v ↦ R Σ … v + λv`, from samples of
/// several micro-batches.
public final class LayerFisher<Element: Scalar> {
  /// The sum over all micro-batches, of all ranks, of partial products.
  ///
  /// Its arguments are the parts [own micro-batches, count], which it may overwrite, and where the sum
  /// [count] is left.
  public typealias Total = (
    UnsafeMutablePointer<Element>, UnsafeMutablePointer<Element>
  ) throws -> Void

  private let samples: [LayerSamples<Element>]
  private let scale: Double
  /// λ
  public var damping: Double
  private let parts: Buffer<Element>
  private let total: Total

  /// - Parameters:
  ///   - samples: of this rank's micro-batches.
  ///   - scale: R
  ///   - total: where there is one process alone, the sum in a fixed tree.
  public init(
    _ samples: [LayerSamples<Element>], scale: Double, damping: Double, total: Total? = nil
  ) {
    precondition(!samples.isEmpty, "no samples")
    self.samples = samples
    self.scale = scale
    self.damping = damping
    let count = samples[0].shape.a.order * samples[0].shape.b.order
    let leaves = samples.count
    parts = Buffer(count: leaves * count)
    self.total =
      total ?? { parts, sum in
        var tree = FixedTree<Int>(leaves: leaves) { left, right in
          Element.combine(
            count: count, alpha: 1, parts + right * count, beta: 1, into: parts + left * count)
          return left
        }
        for leaf in 0..<leaves { tree.add(leaf: leaf, leaf) }
        sum.update(from: parts + tree.root * count, count: count)
      }
  }

  /// Elements of a layer's weight and bias.
  public var count: Int { samples[0].shape.a.order * samples[0].shape.b.order }

  /// - Parameters:
  ///   - v: the weight, then the bias, as in the layout of parameters.
  ///   - y: of the same shape, overwritten; not v.
  public func callAsFunction(
    _ v: UnsafePointer<Element>, into y: UnsafeMutablePointer<Element>
  ) throws {
    for (i, sample) in samples.enumerated() {
      sample.multiply(v, into: parts.pointer + i * count)
    }
    try total(parts.pointer, y)
    Element.combine(
      count: count, alpha: Element(damping), v, beta: Element(scale), into: y)
  }
}
