import Curvature
import LinearAlgebra
import Sharding
import Testing

/// Compares the inverse and removals with numbers of 80 digits, for matrices in which λ disappears
/// in rounding.
///
/// The numbers are mpmath's (`mp.dps = 80`: `F**-1`, `lu_solve`, `eigsy`) for
/// `G[r, i] = ((7r² + 13ri + 5i² + 3i) mod 23 − 11)·2^sᵢ`, r and i taken modulo the numbers of a
/// case,
/// `xᵢ = (5i mod 7) − 3 + 0.1` and `wᵢ = 1 + i/4`. Weights 0 and 3 are removed.
struct RefinedInverseTests {
  struct Case: CustomTestStringConvertible, Sendable {
    let testDescription: String
    let m: Int
    let damping: Double
    /// s, [d].
    let exponents: [Int]
    var distinctRows = 1000
    var distinctColumns = 1000
    /// [F⁻¹]ᵢᵢ and F⁻¹x.
    let diagonal: [Double]
    let product: [Double]
    /// δ, and the minimum of the model.
    let change: [Double]
    let value: Double
    /// The inverse diagonal of the kept weights' own matrix.
    let keptDiagonal: [Double]
    let eigenvalues: [Double]

    var d: Int { exponents.count }

    func gradient(_ row: Int) -> [Double] {
      (0..<d).map { i in
        let (r, j) = (row % distinctRows, i % distinctColumns)
        let number = Double((r * r * 7 + r * j * 13 + j * j * 5 + 3 * j) % 23 - 11)
        return number * Double(sign: .plus, exponent: exponents[i], significand: 1)
      }
    }
  }

  static let cases = [
    Case(
      testDescription: "more gradients than parameters, of raw prices", m: 40, damping: 1e-5,
      exponents: [16, 16, 16, 16, 16],
      diagonal: [
        7.0097580369718531e-12, 6.9238753423486996e-12, 6.9150034456875018e-12,
        6.6962807263188953e-12, 5.1355688565598289e-12,
      ],
      product: [
        -3.2479459605414956e-11, 1.6679254341407062e-11, 9.3930840237864615e-12,
        -2.132810644068719e-11, 1.5276132027921327e-11,
      ],
      change: [-1, 0.41512757838316722, 0.23163349389513321, -1.75, -0.0041733064009418838],
      value: 240346954925.85199,
      keptDiagonal: [6.4174328766653675e-12, 6.3735852042883173e-12, 4.8199817233823191e-12],
      eigenvalues: [
        350083317232.50983, 213957853984.40497, 162547913034.88565, 129727442190.44518,
        88576278677.754364,
      ]),
    Case(
      testDescription: "columns of two scales", m: 40, damping: 1e-5,
      exponents: [0, 17, 0, 17, 0],
      diagonal: [
        0.030106671482162652, 1.7309687680223476e-12, 0.029699704120970002, 1.6740701174753678e-12,
        0.022057095120340625,
      ],
      product: [
        -0.10463173941479006, -1.0336029808123324e-08, 0.031123105322909392,
        -1.9307645177500423e-07, 0.083932712527595973,
      ],
      change: [-1, 0.21092982084505721, -7274.241169930362, -1.75, -29394.386007634228],
      value: 1039528330738.5483,
      keptDiagonal: [1.6043581785165536e-12, 0.027374332516384183, 0.020701659582896034],
      eigenvalues: [
        753139636744.47705, 653462152712.28137, 54.19651173654578, 41.873104409862052,
        25.296957597789273,
      ]),
    Case(
      testDescription: "fewer gradients than parameters, of three scales", m: 4, damping: 1e-5,
      exponents: [0, 17, 0, 0, 20, 0],
      diagonal: [
        10227.369013716674, 2.1832392997907862e-06, 88902.615054139795, 53752.462837629479,
        1.7388455974885145e-08, 47117.614502698314,
      ],
      product: [
        -86880.89360496086, 0.032902964283333919, 59083.553417762487, -213516.69347287741,
        -0.034735087284768915, 167919.91914728857,
      ],
      change: [
        -1, 1.1590577883414819e-05, 2.7211015047495395, -1.75, -1.2562544279027968e-06,
        0.49040137150787311,
      ],
      value: 5.853760556755564e-05,
      keptDiagonal: [
        4.3363948693711108e-11, 2.0426814854942377, 6.3113834912356451e-13, 0.25284450759827493,
      ],
      eigenvalues: [
        44620259148095.789, 421062885142.18182, 81.960060086637654, 20.321343080145468,
      ]),
    Case(
      testDescription: "gradients that recur", m: 6, damping: 1e-3,
      exponents: [12, 12, 12, 12, 12, 12, 12, 12], distinctRows: 3,
      diagonal: [
        369.20377730411587, 776.18068119386874, 760.71626253924433, 663.00376362318127,
        571.19307728949912, 551.43621096199433, 812.38672370918903, 495.8795033810967,
      ],
      product: [
        -3223.8371737080524, 1501.9552419176719, -111.0031348863936, -2535.050348309474,
        2702.1516458376555, 128.26480336576981, -1149.0247130151902, -2562.1969177541819,
      ],
      change: [
        -1, 0.46073053339461112, 0.28502802136205441, -1.75, 0.45444484736585278,
        0.79956418540220786, 0.09979527922463452, -0.34599953847107984,
      ],
      value: 0.0026657556908086574,
      keptDiagonal: [
        720.86327773044002, 691.33337728880008, 500.58767939209696, 377.3068723768701,
        670.92063910750198, 38.988154108563066,
      ],
      eigenvalues: [3255170326.0956907, 1395557087.0924511, 857791840.14519167]),
    Case(
      testDescription: "columns that recur", m: 40, damping: 1e-5,
      exponents: [12, 12, 12, 12, 12, 12], distinctColumns: 3,
      diagonal: [
        50000.000000000371, 50000.000000000386, 50000.000000000437, 50000.000000000371,
        50000.000000000386, 50000.000000000437,
      ],
      product: [
        -50000.000000002474, -49999.999999997388, -49999.999999998749, 49999.999999997519,
        50000.000000002605, 50000.000000001251,
      ],
      change: [
        -1, 0.40259471794181573, 0.39884092767181362, -1.75, 0.40259471794181573,
        0.39884092767181362,
      ],
      value: 2543175206.3249154,
      keptDiagonal: [50000.000000000357, 50000.0000000004, 50000.000000000357, 50000.0000000004],
      eigenvalues: [1977337987.0339909, 1327155245.3063269, 871355830.05968213]),
  ]

  /// Returns the gradients in two blocks or in one.
  private func rows(_ c: Case, isOneBlock: Bool = false, isDouble: Bool = false) -> GradientRows {
    let blocks = isOneBlock ? [0..<c.d] : [0..<2, 2..<c.d]
    let rows =
      isDouble
      ? GradientRows(count: c.m, blocks: blocks, of: Double.self)
      : GradientRows(count: c.m, blocks: blocks)
    for row in 0..<c.m {
      if isDouble {
        c.gradient(row).withUnsafeBufferPointer { rows.store($0, row: row) }
      } else {
        c.gradient(row).map(Float.init).withUnsafeBufferPointer { rows.store($0, row: row) }
      }
    }
    return rows
  }

  private func fold(_ blocks: Int) -> RefinedInverse.Fold {
    { leaf, join in
      var tree = FixedTree(leaves: blocks, join: join)
      for block in 0..<blocks { tree.add(leaf: block, try leaf(block)) }
      return tree.root
    }
  }

  private func inverse(
    _ c: Case, damping: Double? = nil, isDouble: Bool = false
  ) throws -> RefinedInverse {
    try RefinedInverse(
      of: rows(c, isDouble: isDouble), blocks: [0, 1],
      removed: [Bool](repeating: false, count: c.d), damping: damping ?? c.damping, fold: fold(2))
  }

  /// Returns the largest relative error of an element.
  private func error(_ numbers: [Double], _ exact: [Double]) -> Double {
    numbers.count == exact.count
      ? zip(numbers, exact).map { abs($0 / $1 - 1) }.max()! : .infinity
  }

  @Test("solutions, diagonals and products keep their digits", arguments: cases, [false, true])
  func accurateAnswers(_ c: Case, isDouble: Bool) throws {
    let inverse = try inverse(c, isDouble: isDouble)
    let x = (0..<c.d).map { Double($0 * 5 % 7 - 3) + 0.1 }
    let solution = try inverse.solve(x)
    // The numbers are given to 17 digits.
    #expect(error(solution.values, c.product) < 1e-15 && solution.error < 1e-15)
    let (diagonal, bound) = try inverse.diagonal(inverse.leverages())
    #expect(error(diagonal, c.diagonal) < 1e-10, "\(diagonal)")
    #expect(error(diagonal, c.diagonal) <= bound && bound < 1e-5)
    let products = (0..<c.m).map { zip(c.gradient($0), c.product).reduce(0) { $0 + $1.0 * $1.1 } }
    let scale = (0..<c.m).map { zip(c.gradient($0), c.product).map { abs($0 * $1) }.max()! }
    for ((product, expected), scale) in zip(zip(solution.products.rounded, products), scale) {
      // The expected sums have rounded terms.
      #expect(abs(product - expected) < 1e-14 * scale)
    }
  }

  @Test("eigenvalues keep the digits that products of gradients lose", arguments: cases)
  func gradientEigenvalues(_ c: Case) throws {
    let values = try RefinedInverse.eigenvalues(of: rows(c), fold: fold(2))
    #expect(values.count == c.m)
    #expect(error(Array(values[..<c.eigenvalues.count]), c.eigenvalues) < 1e-8)
    let rest = values[c.eigenvalues.count...].max() ?? 0
    #expect(rest < 1e-27 * c.eigenvalues[0])
  }

  /// Removes with sums over all blocks, and with a separate block.
  @Test("removals keep their digits", arguments: cases)
  func accurateRemovals(_ c: Case) throws {
    let weights = (0..<c.d).map { 1 + Float($0) / 4 }
    let removed = (0..<c.d).map { $0 == 0 || $0 == 3 }
    let kept = (0..<c.d).filter { !removed[$0] }
    try weights.withUnsafeBufferPointer { weights in
      for isOneBlock in [false, true] {
        let rows = rows(c, isOneBlock: isOneBlock)
        let removal =
          try isOneBlock
          ? SurgeonModel(
            ofBlock: 0, of: rows, weights: weights, removed: removed, damping: c.damping,
            gradientScale: 0)
          : SurgeonModel(
            refining: [0, 1], of: rows, firstCoordinate: 0, weights: weights, removed: removed,
            damping: c.damping, gradientScale: 0, fold: fold(2))
        let change = Buffer<Double>(count: c.d)
        var coordinates: [SurgeonModel.Coordinate] = []
        for (block, range) in rows.blocks.enumerated() {
          removal.writeChange(
            of: rows, block: block, weights: weights, removed: removed, into: change[range])
          coordinates += removal.coordinates(of: rows, block: block, weights: weights)
        }
        #expect(error(Array(change.all), c.change) < 1e-6)
        #expect(abs(removal.value / c.value - 1) < 1e-6)
        let inverses = kept.map { coordinates[$0].inverse }
        #expect(error(inverses, c.keptDiagonal) < 1e-6, "\(inverses)")
      }
    }
  }

  @Test("a damping too small for refinement is refused") func tooSmallDamping() throws {
    let c = Self.cases[3]
    let solution = try inverse(c, damping: 1e-25).solve([Double](repeating: 1, count: c.d))
    #expect(!(solution.error <= RefinedInverse.largestError))
    let rows = rows(c)
    let weights = [Float](repeating: 1, count: c.d)
    #expect(throws: LostDigits.self) {
      try weights.withUnsafeBufferPointer { weights in
        _ = try SurgeonModel(
          refining: [0, 1], of: rows, firstCoordinate: 0, weights: weights,
          removed: (0..<c.d).map { $0 == 1 }, damping: 1e-25, gradientScale: 0, fold: fold(2))
      }
    }
  }

  @Test("ordinary gradients need no refinement") func ordinaryGradients() throws {
    let sums = [4.0, 1, 1, 4, 0, 0, 0]
    #expect(SurgeonModel.factorError(of: sums, count: 2, damping: 1e-4) < 1e-10)
    #expect(SurgeonModel.factorError(of: sums, count: 2, damping: 1e-13) > SurgeonModel.goodError)
  }
}
