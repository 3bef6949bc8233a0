import LinearAlgebra
import Sharding

/// Which curvature of a layer its samples multiply by.
public enum CurvatureOperator: String, CaseIterable, Codable, Sendable {
  /// B ⊗ A, expanded or reduced.
  case factored
  /// The layer's own block of the Fisher matrix, whatever becomes of shared axes in its factors.
  case fisher
}

/// A layer's damped curvature as a product, from samples of several micro-batches: neither its
/// block of the Fisher matrix nor its factors are formed.
///
///   factored   V ↦ B V A + λV, as V A and then B (V A), each a sum over all micro-batches
///   fisher     v ↦ R Σₙ Σ_c vec(Gₙ_c) ⟨Gₙ_c, v⟩ + λv
public final class LayerCurvature<Element: Scalar> {
  /// Elements of the layer's weight and bias.
  public let count: Int
  /// λ
  public var damping: Double
  /// Sums over all micro-batches, one after another, that a product takes.
  public let sumCount: Int
  private let operation: CurvatureOperator
  private let samples: [LayerSamples<Element>]
  private let scale: Double
  /// V A, where that is not all.
  private let half: Buffer<Element>

  /// - Parameters:
  ///   - samples: of this rank's micro-batches.
  ///   - scales: what makes A and B of sums over the global batch, as `KroneckerShape` has them.
  public init(
    _ shape: KroneckerShape, _ operation: CurvatureOperator, of samples: [LayerSamples<Element>],
    scales: (a: Double, b: Double), damping: Double
  ) {
    let hasOutputs = shape.b.form != .unit
    precondition(operation == .factored || hasOutputs, "a Fisher matrix without output gradients")
    count = shape.a.order * shape.b.order
    self.operation = operation
    self.samples = samples
    self.damping = damping
    sumCount = Self.sumCount(shape, operation)
    // R alone is in the scale of A. Samples are means over reduced positions; S² is in the scale of
    // B.
    let square = Double(shape.axis == .reduce ? shape.positions * shape.positions : 1)
    scale =
      operation == .fisher ? scales.a : scales.a * square * (hasOutputs ? scales.b : 1)
    half = Buffer(count: sumCount == 2 ? count : 0)
  }

  /// Of such a layer.
  public static func sumCount(_ shape: KroneckerShape, _ operation: CurvatureOperator) -> Int {
    operation == .factored && shape.b.form != .unit ? 2 : 1
  }

  /// Writes what one of this rank's micro-batches, by its place among them, adds to a sum.
  ///
  /// - Parameters:
  ///   - v: the weight, then the bias, as in the layout of parameters.
  ///   - part: [count], overwritten.
  public func writePart(
    _ sample: Int, ofSum sum: Int, _ v: UnsafePointer<Element>,
    into part: UnsafeMutablePointer<Element>
  ) {
    switch operation {
    case .fisher: samples[sample].multiply(v, into: part)
    case .factored where sum == 0: samples[sample].multiplyInputs(v, into: part)
    case .factored: samples[sample].multiplyOutputs(half.pointer, into: part)
    }
  }

  /// Where a sum over all micro-batches of all ranks is to be left before the next one.
  ///
  /// - Parameter y: the product's.
  public func place(
    ofSum sum: Int, _ y: UnsafeMutablePointer<Element>
  ) -> UnsafeMutablePointer<Element> {
    sum == sumCount - 1 ? y : half.pointer
  }

  /// Makes the product of its last sum.
  public func finish(_ v: UnsafePointer<Element>, into y: UnsafeMutablePointer<Element>) {
    Element.combine(
      count: count, alpha: Element(damping), v, beta: Element(scale), into: y)
  }

  /// Where there is one process alone: the whole product, its sums in a fixed tree.
  ///
  /// - Parameters:
  ///   - v: the weight, then the bias, as in the layout of parameters.
  ///   - y: of the same shape, overwritten; not v.
  public func callAsFunction(
    _ v: UnsafePointer<Element>, into y: UnsafeMutablePointer<Element>
  ) {
    let parts = Buffer<Element>(count: samples.count * count)
    for sum in 0..<sumCount {
      var tree = FixedTree<UnsafeMutablePointer<Element>>(leaves: samples.count) { [count] in
        Element.combine(count: count, alpha: 1, $1, beta: 1, into: $0)
        return $0
      }
      for sample in samples.indices {
        let part = parts.pointer + sample * count
        writePart(sample, ofSum: sum, v, into: part)
        tree.add(leaf: sample, part)
      }
      place(ofSum: sum, y).update(from: tree.root, count: count)
    }
    finish(v, into: y)
  }
}
