import Curvature
import LinearAlgebra
import Networks
import RandomNumbers
import Reference
import Support
import Testing

/// Compares damped inverses of factors and conjugate gradients with dense matrices.
@Suite struct InverseTests {
  private let exact = 1e-10

  /// Returns every form of factor: with a bias, without, a table with a diagonal or a dense factor,
  /// a block, a diagonal, and one with a unit matrix for B.
  private func allForms() throws -> [CurvatureNetwork.Factors] {
    let layers: [LayerDescription] = [
      .embedding(vocabulary: 5, width: 3), .layerNorm, .linear(inputs: 3, outputs: 2), .tanh,
      .linear(inputs: 2, outputs: 2, bias: false),
    ]
    let perPosition = try CurvatureNetwork([4], layers, .crossEntropy(), examples: 6)
    let pooled = try CurvatureNetwork(
      [4], layers + [.globalAveragePool], .crossEntropy(), examples: 6)
    return perPosition.factors(.type2) + perPosition.factors(.forwardOnly)
      + pooled.factors(.type2) + pooled.factors(.type2, blocks: false)
  }

  private func inverse(
    _ factors: CurvatureNetwork.Factors, _ solver: FactorSolver, _ form: KroneckerDamping,
    damping: Double
  ) throws -> KroneckerInverse<Double> {
    let inverse = try KroneckerInverse<Double>(factors.layer.shape, solver: solver, form: form)
    try inverse.update(a: factors.averages.a, b: factors.averages.b, damping: damping)
    return inverse
  }

  /// Returns (B + …) ⊗ (A + …), computed from the definition.
  private func damped(
    _ factors: CurvatureNetwork.Factors, _ form: KroneckerDamping, _ damping: Double
  ) -> DenseMatrix {
    var (a, b) = (factors.a, factors.b)
    switch form {
    case .exact: return factors.product.shifted(by: damping)
    case .same: (a, b) = (a.shifted(by: damping), b.shifted(by: damping))
    case .factored:
      let pi = ((a.trace / Double(a.rows)) / (b.trace / Double(b.rows))).squareRoot()
      a = a.shifted(by: pi * damping.squareRoot())
      b = b.shifted(by: damping.squareRoot() / pi)
    }
    return factors.layer.shape.isTable ? .kronecker(a, b) : .kronecker(b, a)
  }

  private func vector(_ count: Int, seed: UInt64 = 3) -> [Double] {
    let random = CounterRandom(seed: seed, stream: 9)
    return (0..<count).map { random.normal(at: UInt64($0)) }
  }

  /// Applies the inverse to a matrix [d_out, d_in + bias], laid out in the order of the parameters.
  private func apply<Element: Scalar>(
    _ inverse: KroneckerInverse<Element>, _ v: [Element], only wanted: [Range<Int>]? = nil
  ) -> [Element] {
    var (parameters, u) = (v, [Element](repeating: .nan, count: v.count))
    if inverse.shape.hasBias {
      let inputs = inverse.shape.inputs
      let isBias = v.indices.map { $0 % (inputs + 1) == inputs }
      parameters = [false, true].flatMap { bias in
        v.indices.filter { isBias[$0] == bias }.map { v[$0] }
      }
    }
    inverse.apply(parameters, into: &u, only: wanted)
    var matrix = u
    inverse.shape.gather(u, into: &matrix)
    return matrix
  }

  /// The forms of damping that each solver supports.
  static let solvers = FactorSolver.allCases.flatMap { solver in
    KroneckerDamping.allCases.filter { $0 != .exact || solver == .eigen }.map { ($0, solver) }
  }

  @Test("the damped inverse equals the dense one", arguments: solvers)
  func denseInverse(form: KroneckerDamping, solver: FactorSolver) throws {
    let all = try allForms()
    #expect(all.count == 4 + 3 + 4 + 4)
    for factors in all {
      for damping in [0.3, 1e-3] {
        let inverse = try inverse(factors, solver, form, damping: damping)
        let matrix = damped(factors, form, damping)
        let v = vector(matrix.rows)
        // The inverse's error is that of the matrix times its condition, up to about 1e4 here.
        #expect(relativeError(apply(inverse, v), to: matrix.solve(v)) <= exact)
        #expect((inverse.trace / matrix.inverse.trace - 1).magnitude <= exact)
        #expect((inverse.logDeterminant - matrix.logDeterminant).magnitude <= exact)
      }
    }
  }

  @Test("a new damping reuses the decomposition and gives the same bits")
  func changedDamping() throws {
    for factors in try allForms() {
      for form in KroneckerDamping.allCases {
        let once = try inverse(factors, .eigen, form, damping: 0.3)
        once.setDamping(
          0.02, traceOfA: factors.averages.a.trace, traceOfB: factors.averages.b.trace)
        let v = vector(factors.product.rows)
        #expect(apply(once, v) == apply(try inverse(factors, .eigen, form, damping: 0.02), v))
      }
    }
  }

  /// Ranks share rows of a layer of three runs, in place: any division gives the same rows, and
  /// leaves the others untouched.
  @Test("rows are the same whichever rank computes them", arguments: FactorSolver.allCases)
  func sharedRows(solver: FactorSolver) throws {
    for (hasBias, isTable) in [(true, false), (false, false), (false, true)] {
      let shape = KroneckerShape(
        inputs: isTable ? 200 : 7, hasBias: hasBias, outputs: isTable ? 7 : 200, positions: 1,
        axis: .reduce, isTable: isTable)
      let averages = [shape.a, shape.b].map { factor in
        let sums = FactorSums<Float>(factor)
        let rows = vector((factor.order + 3) * factor.order, seed: UInt64(factor.order))
        sums.add(rows.map(Float.init), count: factor.order + 3)
        var packed = [Float](repeating: .nan, count: factor.packedCount)
        sums.finish(into: &packed)
        let average = FactorAverage<Float>(factor)
        average.add(packed, scale: 0.01, decay: 0)
        return average
      }
      let inverse = try KroneckerInverse<Float>(shape, solver: solver, form: .factored)
      try inverse.update(a: averages[0], b: averages[1], damping: 0.1)
      let v = vector(shape.a.order * shape.b.order).map(Float.init)
      var whole = v
      inverse.apply(v, into: &whole)
      for cuts in [[], [100], [672, 1344], [1, 700, 1399, 1401, v.count - 1]] {
        let ends = ([0] + cuts + [v.count]).filter { $0 <= v.count }
        var parts = [Float](repeating: .nan, count: v.count)
        for range in zip(ends, ends.dropFirst()).map({ $0..<$1 }) {
          var part = v
          part.withUnsafeMutableBufferPointer {
            inverse.apply(
              UnsafePointer($0.baseAddress!), into: $0.baseAddress!, only: [range])
          }
          parts.replaceSubrange(range, with: part[range])
        }
        #expect(parts == whole, "cut at \(cuts)")
      }
      // Some rows alone are computed: those of the last run, without the bias.
      var some = v
      inverse.apply(v, into: &some, only: [1399..<1400])
      #expect(some[..<1344] == v[..<1344] && some[1400...] == v[1400...])
      #expect(some[1344..<1400] == whole[1344..<1400])
    }
  }

  /// One rank computes the inverse; another receives it as numbers.
  @Test("an inverse rebuilt from its numbers gives the same bits", arguments: FactorSolver.allCases)
  func sentInverse(solver: FactorSolver) throws {
    for factors in try allForms() {
      let owner = try inverse(factors, solver, .factored, damping: 0.1)
      let other = try KroneckerInverse<Double>(
        factors.layer.shape, solver: solver, form: .factored)
      other.setDamping(
        0.1, traceOfA: factors.averages.a.trace, traceOfB: factors.averages.b.trace)
      for (from, to) in [(owner.a, other.a), (owner.b, other.b)] {
        #expect(from.numbers.count == FactorInverse<Double>.count(from.shape, solver: solver))
        to.numbers.pointer.update(from: from.numbers.pointer, count: from.numbers.count)
      }
      let v = vector(factors.product.rows)
      #expect(apply(owner, v) == apply(other, v))
    }
  }

  @Test("unsupported dampings and singular factors are refused") func refusedInverse() throws {
    let shape = KroneckerShape(
      inputs: 2, hasBias: false, outputs: 2, positions: 1, axis: .expand)
    #expect(throws: KroneckerError.self) {
      try KroneckerInverse<Double>(shape, solver: .cholesky, form: .exact)
    }
    let average = FactorAverage<Double>(shape.a)
    average.add([1, 1, 1], scale: 1, decay: 0)
    let factor = FactorInverse<Double>(shape.a, solver: .cholesky)
    #expect(throws: NotPositiveDefinite.self) { try factor.update(from: average, shift: 0) }
    // The packed values are set directly, because an average ignores sums that are not finite.
    average.packed.pointer[1] = .nan
    for solver in FactorSolver.allCases {
      #expect(throws: KroneckerError.self) {
        try FactorInverse<Double>(shape.a, solver: solver).update(from: average, shift: 1)
      }
    }
  }

  /// Nothing passes through this layer; π is then 1.
  @Test("a factor of zeros gets an equal share of the damping") func zeroFactor() throws {
    let shape = KroneckerShape(
      inputs: 2, hasBias: false, outputs: 2, positions: 1, axis: .expand)
    let (a, b) = (FactorAverage<Double>(shape.a), FactorAverage<Double>(shape.b))
    a.add([4, 0, 1], scale: 1, decay: 0)
    b.add([0, 0, 0], scale: 1, decay: 0)
    for solver in FactorSolver.allCases {
      let inverse = try KroneckerInverse<Double>(shape, solver: solver, form: .factored)
      try inverse.update(a: a, b: b, damping: 0.25)
      // 1/(0.5·4.5) and 1/(0.5·1.5)
      #expect(
        relativeError(apply(inverse, [1, 1, 1, 1]), to: [4 / 9, 4 / 3, 4 / 9, 4 / 3]) <= 1e-15)
    }
  }

  /// Single-precision eigenvalues have errors of 6e-8 of the largest, here far below λ.
  @Test("inverses in single precision are close to those in double") func singleInverse() throws {
    for factors in try allForms() {
      let shape = factors.layer.shape
      let averages = [factors.averages.a, factors.averages.b].map { average in
        let single = FactorAverage<Float>(average.shape)
        let packed = average.packed.all.map { Float($0 * average.scale) }
        single.add(packed, scale: 1, decay: 0)
        return single
      }
      for (solver, form) in [
        (FactorSolver.eigen, KroneckerDamping.exact), (.eigen, .factored), (.cholesky, .factored),
        (.cholesky, .same),
      ] {
        let exact = try inverse(factors, solver, form, damping: 0.01)
        let single = try KroneckerInverse<Float>(shape, solver: solver, form: form)
        try single.update(a: averages[0], b: averages[1], damping: 0.01)
        let v = vector(factors.product.rows)
        let u = apply(single, v.map(Float.init))
        #expect(relativeError(u.map(Double.init), to: apply(exact, v)) <= 1e-4)
      }
    }
  }

  /// The scales of the factors and of training's gradient agree: with exact curvature and a
  /// quadratic loss, one step of length 1 ends at the minimum.
  @Test("one step of linear regression reaches the minimum") func newtonStep() throws {
    for fisher in [Fisher.type2, .forwardOnly] {
      let network = try CurvatureNetwork(
        [3], [.linear(inputs: 3, outputs: 2)], .meanSquaredError, examples: 8)
      func gradient() -> [Double] {
        var gradient = [Double](repeating: .nan, count: network.parameters.count)
        gradient.withUnsafeMutableBufferPointer { gradient in
          network.withTargets(0..<8) { targets in
            network.withBuffers(network.inputs) { inputs, parameters, state in
              _ = network.network.lossAndGradient(
                inputs: inputs, targets: targets, parameters: parameters, state: state,
                gradient: gradient, loss: network.loss, scale: 1 / 8)
            }
          }
        }
        return gradient
      }
      let factors = network.factors(fisher)[0]
      let inverse = try inverse(factors, .eigen, .exact, damping: 1e-12)
      let before = gradient()
      var step = before
      inverse.apply(before, into: &step)
      for i in step.indices { network.parameters[i] -= step[i] }
      let (largest, left) = (before.map(\.magnitude).max()!, gradient().map(\.magnitude).max()!)
      #expect(largest > 0.1 && left <= 1e-9 * largest)
    }
  }

  // MARK: Conjugate gradients

  @Test("conjugate gradients with B ⊗ A reach the solution by eigenvalues")
  func conjugateGradients() throws {
    for factors in try allForms() {
      let product = KroneckerProduct(
        factors.layer.shape, a: factors.averages.a, b: factors.averages.b, damping: 0.01)
      let v = vector(product.count)
      let expected = apply(try inverse(factors, .eigen, .exact, damping: 0.01), v)
      var image = [Double](repeating: .nan, count: v.count)
      product(v, into: &image)
      #expect(relativeError(image, to: factors.product.shifted(by: 0.01) * v) <= exact)

      var x = [Double](repeating: 0, count: v.count)
      let solver = ConjugateGradients(tolerance: 1e-11, iterations: 500)
      let cold = solver.solve(count: v.count, v, x: &x) { product($0, into: $1) }
      #expect(cold.residual <= 1e-11)
      #expect(relativeError(x, to: expected) <= 1e-8)
      // Starting from the solution, nothing remains to be done.
      let warm = solver.solve(count: v.count, v, x: &x) { product($0, into: $1) }
      #expect(warm.iterations < max(cold.iterations, 1))
      #expect(relativeError(x, to: expected) <= 1e-8)
    }
  }

  @Test("conjugate gradients stop at their iteration limit") func iterationLimit() {
    var x = [0.0, 0, 0]
    let solver = ConjugateGradients(tolerance: 0, iterations: 2)
    let outcome = solver.solve(count: 3, [1.0, 1, 1], x: &x) { v, y in
      for i in 0..<3 { y[i] = Double(i + 1) * v[i] }
    }
    #expect(outcome.iterations == 2 && outcome.residual > 0.01)
    let zero = solver.solve(count: 3, [0.0, 0, 0], x: &x) { _, _ in }
    #expect(zero.iterations == 0 && x == [0, 0, 0])
  }
}
