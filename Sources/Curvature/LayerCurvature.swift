import LinearAlgebra
import Sharding

/// Which curvature of a layer its samples multiply by.
public enum CurvatureOperator: String, Sendable, CaseIterable {
  /// B ⊗ A, expanded or reduced.
  case factored
  /// The layer's own block of the Fisher matrix, whatever becomes of shared axes in its factors.
  case fisher
}

/// A layer's damped curvature as a product, from samples of several micro-batches: neither its block of
/// the Fisher matrix nor its factors are formed.
///
///   factored   V ↦ B V A + λV, as V A and then B (V A), each a sum over all micro-batches
///   fisher     v ↦ R Σₙ Σ_c vec(Gₙ_c) ⟨Gₙ_c, v⟩ + λv
public final class LayerCurvature<Element: Scalar> {
  /// The sum over all micro-batches, of all ranks, of partial products.
  ///
  /// Its arguments write the part of an own micro-batch, by its place among them, to memory [count];
  /// and say where the sum [count] is to be left.
  public typealias Sum = (
    (Int, UnsafeMutablePointer<Element>) -> Void, UnsafeMutablePointer<Element>
  ) throws -> Void

  /// Elements of the layer's weight and bias.
  public let count: Int
  public var damping: Double
  private let operation: CurvatureOperator
  private let samples: [LayerSamples<Element>]
  private let scale: Double
  private let hasOutputs: Bool
  private let sum: Sum
  /// V A
  private let half: Buffer<Element>

  /// - Parameters:
  ///   - samples: of this rank's micro-batches.
  ///   - scales: what makes A and B of sums over the global batch, as `KroneckerShape` has them.
  ///   - sum: where there is one process alone, that in a fixed tree.
  public init(
    _ shape: KroneckerShape, _ operation: CurvatureOperator, of samples: [LayerSamples<Element>],
    scales: (a: Double, b: Double), damping: Double, sum: Sum? = nil
  ) {
    precondition(
      operation == .factored || shape.b.form != .unit, "a Fisher matrix without output gradients")
    let count = shape.a.order * shape.b.order
    self.count = count
    self.operation = operation
    self.samples = samples
    self.damping = damping
    hasOutputs = shape.b.form != .unit
    // R alone is in the scale of A. Samples are means over reduced positions; S² is in the scale of B.
    let square = Double(shape.axis == .reduce ? shape.positions * shape.positions : 1)
    scale =
      operation == .fisher ? scales.a : scales.a * square * (hasOutputs ? scales.b : 1)
    half = Buffer(count: operation == .factored && hasOutputs ? count : 0)
    self.sum = sum ?? Self.treeSum(count: count, of: samples.count)
  }

  /// - Parameters:
  ///   - v: the weight, then the bias, as in the layout of parameters.
  ///   - y: of the same shape, overwritten; not v.
  public func callAsFunction(
    _ v: UnsafePointer<Element>, into y: UnsafeMutablePointer<Element>
  ) throws {
    let samples = samples
    switch operation {
    case .fisher:
      try sum({ samples[$0].multiply(v, into: $1) }, y)
    case .factored where hasOutputs:
      let half = half.pointer
      try sum({ samples[$0].multiplyInputs(v, into: $1) }, half)
      try sum({ samples[$0].multiplyOutputs(half, into: $1) }, y)
    case .factored:
      try sum({ samples[$0].multiplyInputs(v, into: $1) }, y)
    }
    Element.combine(
      count: count, alpha: Element(damping), v, beta: Element(scale), into: y)
  }

  private static func treeSum(count: Int, of leaves: Int) -> Sum {
    let parts = Buffer<Element>(count: leaves * count)
    return { part, sum in
      let rows = parts.pointer
      var tree = FixedTree<Int>(leaves: leaves) { left, right in
        Element.combine(
          count: count, alpha: 1, rows + right * count, beta: 1, into: rows + left * count)
        return left
      }
      for leaf in 0..<leaves {
        part(leaf, rows + leaf * count)
        tree.add(leaf: leaf, leaf)
      }
      sum.update(from: rows + tree.root * count, count: count)
    }
  }
}
