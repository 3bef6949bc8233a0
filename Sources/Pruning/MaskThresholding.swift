import Curvature
import LinearAlgebra
import MPI
import Sharding

/// Improves a mask by iterative hard thresholding of the model. Each iteration steps against the
/// gradient, keeps the largest weights and solves for their joint minimum.
///
///     β [d/p]   the weights at the joint minimum of a mask; δ = β − w
///     ∇q        λδ + Gᵀ(Gδ + η1)/m, zero for kept weights
///     M'        the selection's least of (β − τ∇q)²; τ is halved until the joint minimum decreases
///
/// The quadratic model is that of CHITA (Benbaki, Chen, Meng, Hazimeh, Ponomareva, Zhao and
/// Mazumder, 2023). The exact solution after each projection follows hard thresholding pursuit
/// (Foucart, 2011).
struct MaskThresholding<Element: Scalar> {
  private let search: MaskSearch<Element>
  private var surgeon: BrainSurgeon<Element> { search.surgeon }
  private var world: Communicator { search.world }
  private var rows: GradientRows { surgeon.rows }
  private var m: Double { Double(rows.count) }

  init(_ search: MaskSearch<Element>) { self.search = search }

  /// Holds a mask and the weights at the model's minimum for it.
  private struct Point {
    let mask: Mask
    /// β.
    let weights: [Element]
    /// The model's minimum.
    let value: Double
  }

  private func point(_ mask: Mask) throws -> Point {
    let (weights, value, _) = try surgeon.update(.joint, removing: mask.isRemoved, on: world)
    return Point(mask: mask, weights: weights, value: value!)
  }

  /// Returns the improved mask, of the same sparsity. Collective.
  func improved(_ mask: Mask) throws -> Mask {
    var point = try point(mask)
    var gradient = try gradient(at: point)
    // A removed weight's gradient is −λβ̃. A step of 1/λ therefore compares β̃ with the kept
    // weights.
    var length = 1 / surgeon.damping
    for _ in 0..<search.largestCount {
      let mask = try search.mask(
        ofLeast: zip(point.weights, gradient).map {
          let weight = Double($0) - length * $1
          return weight * weight
        })
      guard try search.differ(mask, point.mask) else { break }
      let next = try self.point(mask)
      if next.value < point.value - search.leastGain(point.value) {
        point = next
        gradient = try self.gradient(at: point)
      } else {
        length /= 2
      }
    }
    return point.mask
  }

  /// Returns ∇q on this rank's slice.
  private func gradient(at point: Point) throws -> [Double] {
    let change = point.weights.indices.map {
      Double(point.weights[$0]) - Double(surgeon.weights.pointer[$0])
    }
    let products = try change.withUnsafeBufferPointer {
      try rows.products(with: $0, over: surgeon.sum, on: world)
    }
    let coefficients = products.map { ($0 + surgeon.gradientScale) / m }
    var gradient: [Double] = []
    for (block, range) in rows.blocks.enumerated() {
      let part = Buffer<Double>(count: range.count)
      rows.combine(coefficients, block: block, into: part.all)
      gradient += range.map { i in
        // The other gradients are zero in exact arithmetic.
        point.mask.isKept[i] || !search.previous.isKept[i]
          ? 0 : part.pointer[i - range.lowerBound] + surgeon.damping * change[i]
      }
    }
    return gradient
  }
}
