import Curvature
import Reference
import Support
import Testing

/// Compares removals of sets of weights with a dense matrix [d, d] in double precision.
struct RemovalTests {
  static let cases: [(d: Int, m: Int, removed: Int, damping: Double, gradientScale: Double)] = [
    (200, 20, 80, 0.1, 0), (200, 20, 150, 0.1, 0), (200, 20, 80, 1e-3, 0),
    (200, 20, 150, 1e-3, 0), (200, 20, 80, 0.1, 1), (200, 20, 150, 0.1, 1),
    (200, 20, 80, 1e-3, 1), (200, 20, 150, 1e-3, 1), (200, 20, 150, 1e-3, 0.3),
    (30, 40, 12, 1e-2, 0.5), (30, 40, 30, 1e-2, 1), (9, 1, 0, 1, 1),
  ]

  @Test("the update and its cost are the model's minimum", arguments: cases)
  func minimalUpdate(
    d: Int, m: Int, removed: Int, damping: Double, gradientScale: Double
  ) throws {
    let problem = RemovalProblem((d, m, removed, damping, gradientScale))
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
    // A kept weight's coordinate holds its new weight.
    for (i, coordinate) in problem.coordinates(removal).enumerated() where !problem.removed[i] {
      let weight = Double(problem.weights[i]) + expected[i]
      #expect((coordinate.weight - weight).magnitude <= 1e-10)
      #expect(coordinate.leverage < 1)
    }
  }

  /// Each coordinate's number is the exact difference of two minima.
  @Test("each weight's saliency is the exact difference of two minima", arguments: cases)
  func exactMarginals(
    d: Int, m: Int, removed: Int, damping: Double, gradientScale: Double
  ) throws {
    let problem = RemovalProblem((d, m, removed, damping, gradientScale))
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

  /// `[F⁻¹]ᵢᵢ`, λ from 1e-8 to 1, with more and with fewer coordinates than gradients.
  @Test(
    "the diagonal of the inverse and the costs equal the dense ones",
    arguments: [1e-8, 1e-6, 1e-4, 1e-2, 1], [25, 60, 90])
  func inverseDiagonal(damping: Double, m: Int) throws {
    let problem = RemovalProblem((60, m, 0, damping, 0))
    let coordinates = problem.coordinates(try problem.removal(problem.removed))
    for i in 0..<60 {
      let column = problem.dense.fisher.solve((0..<60).map { $0 == i ? 1 : 0 })
      #expect((coordinates[i].inverse / column[i] - 1).magnitude <= 1e-4, "\(i)")
      let cost = Double(problem.weights[i]) * Double(problem.weights[i]) / (2 * column[i])
      #expect((coordinates[i].cost / cost - 1).magnitude <= 1e-4)
    }
  }
}
