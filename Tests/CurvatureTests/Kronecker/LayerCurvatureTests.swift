import Curvature
import LinearAlgebra
import Networks
import RandomNumbers
import Reference
import Support
import Testing
import Training

/// Tests products with a layer's curvature from its samples, and conjugate gradients with them.
@Suite struct LayerCurvatureTests {
  typealias Sampled = (layer: FactoredLayer, samples: [LayerSamples<Double>])

  /// Returns samples of each micro-batch for each layer, as a step gathers them.
  private func samples(
    _ network: CurvatureNetwork, _ operation: CurvatureOperator, _ fisher: Fisher,
    _ axis: SharedAxis? = nil, microBatches: Int
  ) -> [Sampled] {
    let statistics = KroneckerStatistics(
      network.network, loss: network.loss,
      settings: KroneckerSettings(axis: axis, fisher: fisher), keepsSamples: true)
    let size = network.examples / microBatches
    let workspace = SampleWorkspace<Double>()
    let sampled = statistics.layers.filter { !$0.isNormalization }.map { layer in
      (
        layer,
        (0..<microBatches).map { _ in
          LayerSamples<Double>(
            layer.shape, for: operation,
            columns: fisher.columns(outputs: network.network.outputCount),
            exampleInputs: layer.exampleInputs, maximumExamples: size, workspace: workspace)
        }
      )
    }
    for microBatch in 0..<microBatches {
      for (layer, samples) in sampled { statistics.samples[layer.first] = samples[microBatch] }
      _ = network.gather(
        statistics, microBatch * size..<(microBatch + 1) * size, seed: 7)
    }
    return sampled
  }

  /// Returns networks with every kind of layer, none of them exact for Kronecker factors.
  func networks() throws -> [CurvatureNetwork] {
    [
      try CurvatureNetwork(
        [2, 5, 4],
        [
          .conv2d(inputs: 2, outputs: 3, kernel: 3, stride: 2, padding: 1), .tanh,
          .conv2d(inputs: 3, outputs: 2, kernel: 2, bias: false), .flatten,
          .linear(inputs: 4, outputs: 3),
        ], .crossEntropy(), examples: 4),
      try CurvatureNetwork(
        [2, 5, 4],
        [
          .conv2d(inputs: 2, outputs: 4, kernel: 2, dilation: 2), .tanh,
          .conv2d(inputs: 4, outputs: 2, kernel: 2, padding: 1, groups: 2, bias: false),
          .globalAveragePool, .linear(inputs: 2, outputs: 3),
        ], .crossEntropy(), examples: 4),
      try CurvatureNetwork(
        [4],
        [
          .embedding(vocabulary: 5, width: 4), .add([.attention(heads: 2)]), .globalAveragePool,
          .linear(inputs: 4, outputs: 3, bias: false),
        ], .meanSquaredError, examples: 4),
      try CurvatureNetwork(
        [3],
        [
          .embedding(vocabulary: 5, width: 4), .add([.attention(heads: 2, isCausal: true)]),
          .linear(inputs: 4, outputs: 3),
        ], .crossEntropy(), examples: 4),
    ]
  }

  func scales(
    _ network: CurvatureNetwork, _ layer: FactoredLayer
  ) -> (a: Double, b: Double) {
    layer.scales(network.loss, of: network.network.description, examples: network.examples)
  }

  func normal(_ count: Int, seed: UInt64 = 2) -> [Double] {
    let random = CounterRandom(seed: seed, stream: 9)
    return (0..<count).map { random.normal(at: UInt64($0)) }
  }

  /// Covers each kind of layer and of vectors, with `expand`, `reduce` and `auto`. Compares the
  /// product with B ⊗ A of formed factors, and the solution with that by their eigenvalues.
  @Test("products from samples equal those with formed factors", arguments: [1, 2, 4])
  func unformedFactors(microBatches: Int) throws {
    for network in try networks() {
      for fisher in [Fisher.type2, .monteCarlo(samples: 2), .empirical, .forwardOnly] {
        for axis in [nil, SharedAxis.expand, .reduce] {
          let factors = network.factors(fisher, axis)
          let sampled = samples(network, .factored, fisher, axis, microBatches: microBatches)
          #expect(factors.map(\.layer.weight) == sampled.map(\.layer.weight))
          for (factors, (layer, samples)) in zip(factors, sampled) {
            let product = LayerCurvature(
              layer.shape, .factored, of: samples, scales: scales(network, layer), damping: 0.01)
            let (count, v) = (product.count, normal(product.count))
            /// The layer's matrix is in another order than its parameters.
            func inMatrix(_ parameters: [Double]) -> [Double] {
              var matrix = [Double](repeating: .nan, count: count)
              layer.shape.gather(parameters, into: &matrix)
              return matrix
            }
            var image = [Double](repeating: .nan, count: count)
            product(v, into: &image)
            #expect(
              relativeError(inMatrix(image), to: factors.product.shifted(by: 0.01) * inMatrix(v))
                <= 1e-12)

            let inverse = try KroneckerInverse<Double>(layer.shape, solver: .eigen, form: .exact)
            try inverse.update(a: factors.averages.a, b: factors.averages.b, damping: 0.01)
            var expected = [Double](repeating: .nan, count: count)
            inverse.apply(v, into: &expected)
            var x = [Double](repeating: 0, count: count)
            let outcome = ConjugateGradients(tolerance: 1e-11, iterations: 500)
              .solve(count: count, v, x: &x) { product($0, into: $1) }
            #expect(outcome.residual <= 1e-11)
            #expect(relativeError(x, to: expected) <= 1e-8)
          }
        }
      }
    }
  }

  /// The next batch's equation starts nearer to the previous solution.
  @Test("a warm start takes fewer iterations", arguments: CurvatureOperator.allCases)
  func warmStart(operation: CurvatureOperator) throws {
    let network = try networks()[0]
    let (layer, samples) = samples(network, operation, .type2, microBatches: 2)[0]
    let product = LayerCurvature(
      layer.shape, operation, of: samples, scales: scales(network, layer), damping: 1e-3)
    let solver = ConjugateGradients(tolerance: 1e-4, iterations: 500)
    func solve(_ b: [Double], from start: [Double]) -> (x: [Double], iterations: Int) {
      var (x, image) = (start, start)
      let outcome = solver.solve(count: b.count, b, x: &x) { product($0, into: $1) }
      product(x, into: &image)
      // The iteration's own residual, but for rounding.
      #expect(relativeError(image, to: b) <= 1.001e-4)
      return (x, outcome.iterations)
    }
    let (first, change) = (normal(product.count), normal(product.count, seed: 4))
    // Another length and sign, and a thousandth of another vector.
    let second = zip(first, change).map { -3 * $0 + 1e-3 * $1 }
    let zeros = [Double](repeating: 0, count: product.count)
    let last = solve(first, from: zeros).x
    let (cold, warm) = (solve(second, from: zeros), solve(second, from: last))
    #expect(warm.iterations < cold.iterations, "\(warm.iterations), \(cold.iterations) cold")
  }

  /// A start unrelated to the solution costs no more than a start from zero.
  @Test("a useless warm start is ignored") func uselessStart() {
    let solver = ConjugateGradients(tolerance: 1e-12, iterations: 2)
    func solve(from start: [Double]) -> ([Double], ConjugateGradients.Outcome) {
      var x = start
      let outcome = solver.solve(count: 3, [1.0, 1, 0], x: &x) { v, y in
        for i in 0..<3 { y[i] = Double(i + 1) * v[i] }
      }
      return (x, outcome)
    }
    let (cold, warm) = (solve(from: [0, 0, 0]), solve(from: [0, 0, 1e6]))
    #expect(cold.0 == warm.0 && warm.1.iterations == 2)
    #expect(relativeError(warm.0, to: [1, 0.5, 0]) <= 1e-12)
  }

  /// The parts of micro-batches may be added elsewhere, here in another order.
  @Test(
    "sums added outside the product give the same result",
    arguments: CurvatureOperator.allCases)
  func foreignSums(operation: CurvatureOperator) throws {
    let network = try networks()[0]
    let (layer, both) = samples(network, operation, .type2, microBatches: 2)[0]
    let product = LayerCurvature(
      layer.shape, operation, of: both, scales: (0.5, 0.5), damping: 1)
    let v = (0..<product.count).map { Double($0 % 5) - 2 }
    var (whole, other) = (v, v)
    product(v, into: &whole)
    #expect(product.sumCount == (operation == .factored ? 2 : 1))
    let part = Buffer<Double>(count: product.count)
    other.withUnsafeMutableBufferPointer { other in
      let y = other.baseAddress!
      for sum in 0..<product.sumCount {
        // The sum needs its own buffer, since the parts are still being computed.
        let added = Buffer<Double>(count: product.count)
        for sample in [1, 0] {
          product.writePart(sample, ofSum: sum, v, into: part.pointer)
          for i in 0..<product.count { added.pointer[i] += part.pointer[i] }
        }
        product.place(ofSum: sum, y).update(from: added.pointer, count: product.count)
      }
      product.finish(v, into: y)
    }
    #expect(relativeError(other, to: whole) <= 1e-14)
  }

  /// Solves several equations together; each ends at its own iteration and equals its separate
  /// solution.
  @Test("equations solved together are independent of each other") func independentEquations() {
    func multiply(_ equation: Int, _ v: UnsafePointer<Double>, _ y: UnsafeMutablePointer<Double>) {
      for i in 0..<4 { y[i] = Double(i / (equation + 1) + 1) * v[i] }
    }
    let solver = ConjugateGradients(tolerance: 1e-12, iterations: 10)
    let b = (0..<4).map { normal(4, seed: UInt64($0)) }
    let (together, right) = (Buffer<Double>(count: 16), Buffer<Double>(count: 16))
    for i in 0..<16 { right.pointer[i] = i < 12 ? b[i / 4][i % 4] : 0 }
    // One starts warm, and one has nothing to solve.
    together.pointer[5] = 1
    var counts: [Int] = []
    let workspace = Buffer<Double>(count: 4 * ConjugateGradients.Equation<Double>.workspaceCount(4))
    let outcomes = solver.solve(
      (0..<4).map {
        .init(
          count: 4, UnsafePointer(right.pointer + 4 * $0), x: together.pointer + 4 * $0,
          workspace: workspace.pointer + workspace.count / 4 * $0)
      }
    ) { products in
      counts.append(products.count)
      for product in products { multiply(product.equation, product.v, product.y) }
    }
    #expect(outcomes.map(\.iterations) == [4, 2, 2, 0])
    #expect(counts == [1, 3, 3, 1, 1])
    for equation in 0..<3 {
      var x = [Double](repeating: 0, count: 4)
      if equation == 1 { x[1] = 1 }
      _ = solver.solve(count: 4, b[equation], x: &x) { multiply(equation, $0, $1) }
      #expect(x == Array(together[4 * equation..<4 * equation + 4]))
    }
  }
}
