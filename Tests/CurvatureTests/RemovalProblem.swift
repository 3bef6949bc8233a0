import Curvature
import LinearAlgebra
import RandomNumbers
import Reference

/// Weights and gradients of the order of one, some removed, in blocks of unequal width.
struct RemovalProblem {
  let dense: DenseRemoval
  let rows: GradientRows
  let weights: [Float]
  let removed: [Bool]
  let damping: Double
  let gradientScale: Double

  /// - Parameter isOneBlock: whether all coordinates are one block.
  init(
    _ c: (d: Int, m: Int, removed: Int, damping: Double, gradientScale: Double),
    isOneBlock: Bool = false
  ) {
    let samples = GradientSamples(d: c.d, norm: 3, sharedMean: 0.3)
    let gradients = (0..<c.m).map(samples.gradient)
    weights = GradientSamples(d: c.d, norm: 2, sharedMean: 0).gradient(1000)
    let cut = c.d * 2 / 5
    let rows = GradientRows(
      count: c.m, blocks: isOneBlock ? [0..<c.d] : [0..<cut, cut..<cut + 1, cut + 1..<c.d])
    for (row, gradient) in gradients.enumerated() {
      gradient.withUnsafeBufferPointer { rows.store($0, row: row) }
    }
    self.rows = rows
    let order = CounterRandom(seed: 5, stream: 0).permutation(count: c.d)
    let removedSet = Set(order.prefix(c.removed))
    removed = (0..<c.d).map { removedSet.contains($0) }
    (damping, gradientScale) = (c.damping, c.gradientScale)
    dense = DenseRemoval(
      rows: gradients.map { $0.map(Double.init) }, weights: weights.map(Double.init),
      damping: damping, gradientScale: gradientScale)
  }

  /// Returns the model built from sums over all blocks.
  func removal(_ removed: [Bool]) throws -> SurgeonModel {
    let width = SurgeonModel.width(count: rows.count)
    var total = [Double](repeating: 0, count: width)
    let part = Buffer<Double>(count: width)
    for block in rows.blocks.indices {
      weights.withUnsafeBufferPointer {
        SurgeonModel.writeSums(
          of: rows, block: block, weights: $0, removed: removed, into: part.all)
      }
      for i in 0..<width { total[i] += part.pointer[i] }
    }
    return try SurgeonModel(
      sums: total, count: rows.count, damping: damping, gradientScale: gradientScale)
  }

  /// Returns the model with all coordinates as one block.
  func blockRemoval(_ removed: [Bool]) throws -> SurgeonModel {
    try weights.withUnsafeBufferPointer {
      try SurgeonModel(
        ofBlock: 0, of: rows, weights: $0, removed: removed, damping: damping,
        gradientScale: gradientScale)
    }
  }

  func change(_ removal: SurgeonModel) -> [Double] {
    let change = Buffer<Double>(count: weights.count)
    for (block, range) in rows.blocks.enumerated() {
      weights.withUnsafeBufferPointer {
        removal.writeChange(
          of: rows, block: block, weights: $0, removed: removed, into: change[range])
      }
    }
    return Array(change.all)
  }

  func coordinates(_ removal: SurgeonModel) -> [SurgeonModel.Coordinate] {
    weights.withUnsafeBufferPointer { weights in
      rows.blocks.indices.flatMap { removal.coordinates(of: rows, block: $0, weights: weights) }
    }
  }
}
