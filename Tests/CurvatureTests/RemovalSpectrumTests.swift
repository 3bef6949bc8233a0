import Curvature
import LinearAlgebra
import RandomNumbers
import Reference
import Testing

/// Compares many λ and η from one eigendecomposition with dense matrices [d, d] in double
/// precision.
struct RemovalSpectrumTests {
  static let dampings = [1e-8, 1e-6, 1e-4, 1e-2, 1]

  /// Covers more gradients than kept weights, fewer, and one.
  @Test(
    "one eigendecomposition gives exact models for every λ and η",
    arguments: [(60, 25, 0), (60, 25, 30), (60, 25, 50), (30, 40, 0), (9, 1, 4)])
  func exactModels(d: Int, m: Int, removedCount: Int) throws {
    let samples = GradientSamples(d: d, norm: 3, sharedMean: 0.3)
    let gradients = (0..<m).map(samples.gradient)
    let weights = GradientSamples(d: d, norm: 2, sharedMean: 0).gradient(1000)
    let order = CounterRandom(seed: 5, stream: 0).permutation(count: d)
    let removedSet = Set(order.prefix(removedCount))
    let removed = (0..<d).map { removedSet.contains($0) }
    let cut = d * 2 / 5
    let rows = GradientRows(count: m, blocks: [0..<cut, cut..<d])
    for (row, gradient) in gradients.enumerated() {
      gradient.withUnsafeBufferPointer { rows.store($0, row: row) }
    }
    let width = SurgeonModel.width(count: m)
    var sums = [Double](repeating: 0, count: width)
    let part = Buffer<Double>(count: width)
    for block in rows.blocks.indices {
      weights.withUnsafeBufferPointer {
        SurgeonModel.writeSums(
          of: rows, block: block, weights: $0, removed: removed, into: part.all)
      }
      for i in 0..<width { sums[i] += part.pointer[i] }
    }
    let spectrum = SurgeonSpectrum(sums: sums, count: m)
    let models = Self.dampings.flatMap { damping in
      [0, 0.3].map { SurgeonModel.Settings(damping: damping, gradientScale: $0) }
    }
    let coordinates = weights.withUnsafeBufferPointer { weights in
      let parts = rows.blocks.indices.map {
        spectrum.coordinates(of: rows, block: $0, weights: weights, for: models)
      }
      return models.indices.map { model in parts.flatMap { $0[model] } }
    }
    for (model, coordinates) in zip(models, coordinates) {
      let dense = DenseRemoval(
        rows: gradients.map { $0.map(Double.init) }, weights: weights.map(Double.init),
        damping: model.damping, gradientScale: model.gradientScale)
      let expected = dense.change(removing: removed)
      let coefficients = spectrum.coefficients(of: model)
      let change = Buffer<Double>(count: d)
      for (block, range) in rows.blocks.enumerated() {
        rows.combine(coefficients, block: block, into: change[range])
      }
      for i in 0..<d where removed[i] { change.pointer[i] = -Double(weights[i]) }
      // 1e-16 times the condition of the dense matrix, which depends on λ.
      let accuracy = 1e-14 * max(1e4, 1 / model.damping)
      for (i, number) in change.all.enumerated() {
        #expect((number - expected[i]).magnitude <= accuracy, "\(model) \(i)")
      }
      for step in [0, 0.3, 1] {
        let value = spectrum.value(of: model, step: step)
        let exact = dense.value(expected.enumerated().map { removed[$0] ? $1 : step * $1 })
        #expect((value - exact).magnitude <= accuracy * max(exact.magnitude, 1), "\(model)")
      }
      let kept = (0..<d).filter { !removed[$0] }
      let local = DenseMatrix(rows: kept.count, columns: kept.count) {
        dense.fisher[kept[$0], kept[$1]]
      }
      for (place, i) in kept.enumerated() {
        let inverse = local.solve(kept.indices.map { $0 == place ? 1 : 0 })[place]
        #expect((coordinates[i].inverse / inverse - 1).magnitude <= 1e-4 * accuracy * 1e8, "\(i)")
        let weight = Double(weights[i]) + expected[i]
        #expect((coordinates[i].weight - weight).magnitude <= accuracy * 10, "\(model) \(i)")
      }
    }
  }
}
