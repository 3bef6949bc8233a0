import Curvature
import LinearAlgebra
import Reference
import Support
import Testing

/// Compares blocks with fewer coordinates than gradients against dense matrices and against the
/// form of order m.
struct BlockRemovalTests {
  static let cases: [(d: Int, m: Int, removed: Int, damping: Double, gradientScale: Double)] = [
    (50, 60, 20, 0.1, 0), (50, 60, 37, 1e-3, 0), (50, 60, 20, 1e-3, 1), (50, 200, 37, 0.1, 0.3),
    (1, 2, 0, 1, 1), (1, 2, 1, 1, 1), (30, 40, 0, 1e-2, 0.5), (30, 40, 30, 1e-2, 1),
    (40, 40, 10, 1e-2, 0.5), (70, 40, 10, 1e-2, 0.5),
  ]

  @Test(
    "the block form gives the removal of the dense matrices and of the form of order m",
    arguments: cases)
  func blockAgainstDense(
    d: Int, m: Int, removed: Int, damping: Double, gradientScale: Double
  ) throws {
    let problem = RemovalProblem(
      (d, m, removed, damping, gradientScale), isOneBlock: true)
    let expected = problem.dense.change(removing: problem.removed)
    let value = problem.dense.value(expected)
    let gram = try problem.removal(problem.removed)
    let block = try problem.blockRemoval(problem.removed)
    #expect(relativeError(problem.change(block), to: expected) <= 1e-10)
    #expect((block.value - value).magnitude <= 1e-10 * max(value.magnitude, 1e-3))
    #expect((block.value - gram.value).magnitude <= 1e-10 * max(value.magnitude, 1e-3))
    for step in [0, 0.3, 1] {
      let exact = problem.dense.value(
        expected.enumerated().map { problem.removed[$0] ? $1 : step * $1 })
      for local in [block, gram] {
        #expect(
          (local.value(step: step) - exact).magnitude <= 1e-10 * max(exact.magnitude, 1e-3),
          "\(step)"
        )
      }
    }
    let pairs = zip(problem.coordinates(block), problem.coordinates(gram))
    for (i, (local, other)) in pairs.enumerated() {
      // β̃ carries the change's rounding error divided by λ; costs and gains are relative to the
      // whole.
      #expect((local.weight - other.weight).magnitude <= 1e-9, "\(i)")
      #expect((local.leverage - other.leverage).magnitude <= 1e-9 * (1 + other.leverage), "\(i)")
      let (cost, gain) =
        problem.removed[i] ? (local.gain, other.gain) : (local.cost, other.cost)
      #expect((cost - gain).magnitude <= 1e-9 * max(value.magnitude, 1e-2), "\(i)")
    }
  }

  @Test("F⁻¹x of a block equals the dense solution", arguments: [(50, 60), (60, 50)])
  func inverseProduct(d: Int, m: Int) throws {
    let problem = RemovalProblem((d, m, 0, 1e-3, 0), isOneBlock: true)
    let removal = try problem.blockRemoval(problem.removed)
    let x = Buffer<Double>(count: d)
    let product = Buffer<Double>(count: d)
    for i in 0..<d { x.pointer[i] = Double(i % 7) - 2 }
    try removal.writeInverseProduct(
      of: problem.rows, block: 0, with: UnsafeBufferPointer(x.all), into: product.all)
    let expected = problem.dense.fisher.solve(Array(x.all))
    // The term subtracted from x/λ is up to 1/λ times as large.
    #expect(relativeError(Array(product.all), to: expected) <= 1e-10)
  }

  /// `[F⁻¹]ᵢᵢ`, λ from 1e-8 to 1.
  @Test(
    "a block's inverse has the dense matrix's diagonal and costs",
    arguments: [1e-8, 1e-6, 1e-4, 1e-2, 1])
  func inverseDiagonal(damping: Double) throws {
    let problem = RemovalProblem((60, 90, 0, damping, 0), isOneBlock: true)
    let coordinates = problem.coordinates(try problem.blockRemoval(problem.removed))
    for i in 0..<60 {
      let column = problem.dense.fisher.solve((0..<60).map { $0 == i ? 1 : 0 })
      #expect((coordinates[i].inverse / column[i] - 1).magnitude <= 1e-7, "\(i)")
    }
  }

  /// Equal gradients of this size leave no digit of λ in double precision.
  @Test("a block whose damping is lost in rounding is refused") func lostDamping() throws {
    let rows = GradientRows(count: 3, blocks: [0..<2])
    for row in 0..<3 {
      let x: [Float] = [1e8, 1e8]
      x.withUnsafeBufferPointer { rows.store($0, row: row) }
    }
    let weights: [Float] = [1, 2]
    #expect(throws: LostDigits.self) {
      try weights.withUnsafeBufferPointer {
        try SurgeonModel(
          ofBlock: 0, of: rows, weights: $0, removed: [false, false], damping: 1e-8,
          gradientScale: 0
        ).checkCoordinates()
      }
    }
  }
}
