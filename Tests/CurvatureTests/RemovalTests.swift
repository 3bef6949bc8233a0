import Curvature
import LinearAlgebra
import RandomNumbers
import Reference
import Testing

/// Removing sets of weights, against a dense matrix [d, d] in double precision.
struct RemovalTests {
  static let cases: [(d: Int, m: Int, removed: Int, damping: Double, gradientScale: Double)] = [
    (200, 20, 80, 0.1, 0), (200, 20, 150, 0.1, 0), (200, 20, 80, 1e-3, 0),
    (200, 20, 150, 1e-3, 0), (200, 20, 80, 0.1, 1), (200, 20, 150, 1e-3, 1),
    (200, 20, 150, 1e-3, 0.3), (30, 40, 12, 1e-2, 0.5), (30, 40, 30, 1e-2, 1), (9, 1, 0, 1, 1),
  ]

  /// Weights and gradients of the order of one, some removed, in blocks of unequal width.
  private struct Problem {
    let dense: DenseRemoval
    let rows: GradientRows
    let weights: [Float]
    let removed: [Bool]
    let damping: Double
    let gradientScale: Double

    init(_ c: (d: Int, m: Int, removed: Int, damping: Double, gradientScale: Double)) {
      let samples = GradientSamples(d: c.d, norm: 3, sharedMean: 0.3)
      let gradients = (0..<c.m).map(samples.gradient)
      weights = GradientSamples(d: c.d, norm: 2, sharedMean: 0).gradient(1000)
      let cut = c.d * 2 / 5
      let rows = GradientRows(count: c.m, blocks: [0..<cut, cut..<cut + 1, cut + 1..<c.d])
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

    func removal(_ removed: [Bool]) throws -> Removal {
      let width = Removal.width(count: rows.count)
      var total = [Double](repeating: 0, count: width)
      let part = Buffer<Double>(count: width)
      for block in rows.blocks.indices {
        weights.withUnsafeBufferPointer {
          Removal.writeSums(
            of: rows, block: block, weights: $0, removed: removed, into: part.all)
        }
        for i in 0..<width { total[i] += part.pointer[i] }
      }
      return try Removal(
        sums: total, count: rows.count, damping: damping, gradientScale: gradientScale)
    }

    func change(_ removal: Removal) -> [Double] {
      let change = Buffer<Double>(count: weights.count)
      for (block, range) in rows.blocks.enumerated() {
        weights.withUnsafeBufferPointer {
          removal.writeChange(
            of: rows, block: block, weights: $0, removed: removed, into: change[range])
        }
      }
      return Array(change.all)
    }

    func coordinates(_ removal: Removal) -> [Removal.Coordinate] {
      weights.withUnsafeBufferPointer { weights in
        rows.blocks.indices.flatMap { removal.coordinates(of: rows, block: $0, weights: weights) }
      }
    }
  }

  @Test(arguments: cases)
  func theUpdateIsTheMinimum(
    d: Int, m: Int, removed: Int, damping: Double, gradientScale: Double
  ) throws {
    let problem = Problem((d, m, removed, damping, gradientScale))
    let removal = try problem.removal(problem.removed)
    let expected = problem.dense.change(removing: problem.removed)
    let change = problem.change(removal)
    #expect(relativeError(change, to: expected) <= 1e-10)
    let value = problem.dense.value(expected)
    let scale =
      problem.dense.value(
        problem.removed.enumerated().map {
          $0.element ? -Double(problem.weights[$0.offset]) : 0
        }
      ).magnitude + value.magnitude
    #expect((removal.value - value).magnitude <= 1e-10 * max(scale, 1e-3))
    if removed > 0 {
      let independent = problem.dense.independentChange(removing: problem.removed)
      #expect(removal.value <= problem.dense.value(independent) + 1e-12)
    }
    // A kept weight's own number is its new weight.
    for (i, coordinate) in problem.coordinates(removal).enumerated() where !problem.removed[i] {
      let weight = Double(problem.weights[i]) + expected[i]
      #expect((coordinate.weight - weight).magnitude <= 1e-10)
      #expect(coordinate.leverage < 1)
    }
  }

  /// Each coordinate's number is the exact difference of two minima.
  @Test(arguments: cases)
  func marginalsAreExact(
    d: Int, m: Int, removed: Int, damping: Double, gradientScale: Double
  ) throws {
    let problem = Problem((d, m, removed, damping, gradientScale))
    let removal = try problem.removal(problem.removed)
    let coordinates = problem.coordinates(removal)
    let base = problem.dense.value(problem.dense.change(removing: problem.removed))
    for i in stride(from: 0, to: d, by: max(d / 15, 1)) {
      var other = problem.removed
      other[i].toggle()
      let value = problem.dense.value(problem.dense.change(removing: other))
      let expected = problem.removed[i] ? base - value : value - base
      let marginal = problem.removed[i] ? coordinates[i].gain : coordinates[i].cost
      #expect((marginal - expected).magnitude <= 1e-9 * max(base.magnitude, 1e-2), "\(i)")
    }
  }

  /// `[F⁻¹]ᵢᵢ`, λ from 1e-8 to 1.
  @Test(arguments: [1e-8, 1e-6, 1e-4, 1e-2, 1])
  func theInversesDiagonal(damping: Double) throws {
    let problem = Problem((60, 25, 0, damping, 0))
    let coordinates = problem.coordinates(try problem.removal(problem.removed))
    for i in 0..<60 {
      let column = problem.dense.fisher.solve((0..<60).map { $0 == i ? 1 : 0 })
      #expect((coordinates[i].inverse / column[i] - 1).magnitude <= 1e-4, "\(i)")
      let cost = Double(problem.weights[i]) * Double(problem.weights[i]) / (2 * column[i])
      #expect((coordinates[i].cost / cost - 1).magnitude <= 1e-4)
    }
  }
}
