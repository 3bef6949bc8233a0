import LinearAlgebra
import Sharding

/// Selects the curvature of a layer that its samples multiply by.
public enum CurvatureOperator: String, CaseIterable, Codable, Sendable {
  /// B ⊗ A, expanded or reduced.
  case factored
  /// The layer's own block of the Fisher matrix; the shared axis of the factors has no effect.
  case fisher
}

/// Multiplies by a layer's damped curvature, from samples of several micro-batches. It forms
/// neither the layer's block of the Fisher matrix nor its factors.
///
///     factored   V ↦ B V A + λV: V A, then B (V A), each a sum over all micro-batches
///     fisher     v ↦ R Σₙ Σ_c vec(Gₙ_c) ⟨Gₙ_c, v⟩ + λv
package final class LayerCurvature<Element: Scalar> {
  /// The number of elements of the layer's weight and bias.
  package let count: Int
  /// λ.
  package var damping: Double
  /// The number of sums over all micro-batches that a product takes, one after another.
  package let sumCount: Int
  private let operation: CurvatureOperator
  private let samples: [LayerSamples<Element>]
  private let scale: Double
  /// V A between the two sums of `factored`; otherwise empty.
  private let half: Buffer<Element>

  /// Creates the product.
  ///
  /// - Parameters:
  ///   - samples: the samples of this rank's micro-batches.
  ///   - scales: the factors that turn sums over the global batch into A and B, from
  ///     `KroneckerShape`.
  package init(
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
    // The scale of A contains only R, so A needs a factor S²: samples of reduced positions are
    // means. The scale of B already allows for it.
    let square = Double(shape.axis == .reduce ? shape.positions * shape.positions : 1)
    scale =
      operation == .fisher ? scales.a : scales.a * square * (hasOutputs ? scales.b : 1)
    half = Buffer(count: sumCount == 2 ? count : 0)
  }

  /// Returns the number of sums over all micro-batches that a product takes.
  package static func sumCount(_ shape: KroneckerShape, _ operation: CurvatureOperator) -> Int {
    operation == .factored && shape.b.form != .unit ? 2 : 1
  }

  /// Writes the part that one of this rank's micro-batches adds to a sum.
  ///
  /// - Parameters:
  ///   - sample: the micro-batch's index among this rank's.
  ///   - v: the weight, then the bias, as in the layout of parameters.
  ///   - part: [count], overwritten.
  package func writePart(
    _ sample: Int, ofSum sum: Int, _ v: UnsafePointer<Element>,
    into part: UnsafeMutablePointer<Element>
  ) {
    switch operation {
    case .fisher: samples[sample].multiply(v, into: part)
    case .factored where sum == 0: samples[sample].multiplyInputs(v, into: part)
    case .factored: samples[sample].multiplyOutputs(half.pointer, into: part)
    }
  }

  /// Returns the memory that must receive a sum over all micro-batches of all ranks before the next
  /// sum.
  ///
  /// - Parameter y: the memory of the product.
  package func place(
    ofSum sum: Int, _ y: UnsafeMutablePointer<Element>
  ) -> UnsafeMutablePointer<Element> {
    sum == sumCount - 1 ? y : half.pointer
  }

  /// Completes the product from its last sum.
  package func finish(_ v: UnsafePointer<Element>, into y: UnsafeMutablePointer<Element>) {
    Element.combine(
      count: count, alpha: Element(damping), v, beta: Element(scale), into: y)
  }

  /// Computes the whole product in a single process, with the sums in a fixed tree.
  ///
  /// - Parameters:
  ///   - v: the weight, then the bias, as in the layout of parameters.
  ///   - y: same shape, overwritten; must not be v.
  package func callAsFunction(
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
