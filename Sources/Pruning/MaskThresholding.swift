import Curvature
import LinearAlgebra
import MPI
import Sharding

/// Improves a mask by iterative hard thresholding of the model: a step against the gradient, of which the
/// largest weights stay, and again.
///
///   β [d/p]   the weights, zero outside the mask; δ = β − w
///   p [m]     Gδ
///   ∇q        λδ + Gᵀ(p + η1)/m
///   β ← P(β − τ∇q), P by the selection's own counts, with τ halved until q falls
///
/// From the joint minimum of one mask to that of another, so that no minimum is above the one before.
/// As in CHITA (Benbaki, Chen, Meng, Hazimeh, Ponomareva, Zhao and Mazumder, 2023), whose step is found
/// by another line search.
struct MaskThresholding {
  /// Joint minima, and steps between two of them, at most.
  static let (largestCount, steps) = (20, 30)

  private let surgeon: BrainSurgeon
  private let path: MaskPath
  /// What it has removed stays removed.
  private let previous: Mask
  private let world: Communicator
  private var rows: GradientRows { surgeon.rows }
  private var m: Double { Double(rows.count) }

  /// - Parameter surgeon: of a model of the whole matrix.
  init(_ surgeon: BrainSurgeon, _ path: MaskPath, after previous: Mask, on world: Communicator) {
    precondition(!surgeon.isBlockwise, "thresholding in a model of blocks")
    self.surgeon = surgeon
    self.path = path
    self.previous = previous
    self.world = world
  }

  /// Weights and what the model says of them.
  private struct Point {
    let mask: Mask
    /// β.
    let weights: [Double]
    /// p.
    let products: [Double]
    /// q.
    let value: Double
  }

  /// The improved mask, of the same sparsity. Collective.
  func improved(_ mask: Mask) throws -> Mask {
    var mask = mask
    for _ in 0..<Self.largestCount {
      let joint = try surgeon.update(.joint, removing: mask.isRemoved, on: world).weights
      let end = try descended(from: try point(joint.map(Double.init), under: mask))
      let changes = end.mask != mask
      guard try world.allGather(changes ? 1 : 0).contains(1) else { break }
      mask = end.mask
    }
    return mask
  }

  /// Steps down from a point while the model's value falls.
  private func descended(from start: Point) throws -> Point {
    var point = start
    var step: Double?
    for _ in 0..<Self.steps {
      let gradient = gradient(at: point)
      let square = try sums(of: gradient).1
      guard square > 0 else { return point }
      // At a joint minimum a removed weight's gradient is −λβ̃: a step of 1/λ compares β̃ with what is kept.
      var length = step.map { 4 * $0 } ?? 1 / surgeon.damping
      var next: Point?
      for _ in 0..<40 {
        let trial = try self.point(
          projecting: zip(point.weights, gradient).map { $0 - length * $1 })
        if trial.value < point.value {
          next = trial
          break
        }
        length /= 2
      }
      guard let next else { return point }
      let gain = point.value - next.value
      (point, step) = (next, length)
      if gain < 1e-6 * point.value.magnitude { return point }
    }
    return point
  }

  private func gradient(at point: Point) -> [Double] {
    let eta = surgeon.gradientScale
    let coefficients = point.products.map { ($0 + eta) / m }
    var gradient: [Double] = []
    for (block, range) in rows.blocks.enumerated() {
      let part = Buffer<Double>(count: range.count)
      rows.combine(coefficients, block: block, into: part.all)
      for i in range {
        let change = point.weights[i] - Double(surgeon.weights.pointer[i])
        gradient.append(
          previous.isKept[i] ? part.pointer[i - range.lowerBound] + surgeon.damping * change : 0)
      }
    }
    return gradient
  }

  /// The point of the largest weights.
  private func point(projecting weights: [Double]) throws -> Point {
    let mask = try weights.map { $0 * $0 }.withUnsafeBufferPointer {
      try path.selection.mask(
        removing: path.sparsities.last!, bySaliency: $0, after: previous,
        partition: path.partition, on: world)
    }
    return try point(zip(weights, mask.isKept).map { $1 ? $0 : 0 }, under: mask)
  }

  private func point(_ weights: [Double], under mask: Mask) throws -> Point {
    let change = weights.indices.map { weights[$0] - Double(surgeon.weights.pointer[$0]) }
    let (products, square) = try sums(of: change)
    let value =
      surgeon.damping / 2 * square
      + products.reduce(0) { $0 + ($1 / 2 + surgeon.gradientScale) * $1 } / m
    return Point(mask: mask, weights: weights, products: products, value: value)
  }

  /// Gx and ‖x‖², over all ranks.
  private func sums(of x: [Double]) throws -> ([Double], Double) {
    let first = surgeon.sum.share.lowerBound
    let sums = try x.withUnsafeBufferPointer { x in
      try surgeon.sum.total(width: rows.count + 1, on: world) { leaf, sums in
        let block = leaf - first
        rows.writeProducts(ofBlock: block, with: x, into: sums.baseAddress!)
        sums[rows.count] = rows.blocks[block].reduce(0) { $0 + x[$1] * x[$1] }
      }
    }
    return (Array(sums.dropLast()), sums.last!)
  }
}
