import Curvature
import LinearAlgebra
import Networks
import RandomNumbers
import Reference
import Testing
import Training

/// Compares the distances of `swift-mfac-fisher check` with theory (Eschenhagen et al., arXiv
/// 2311.00636) in exact cases, and with dense matrices in all others.
@Suite struct CurvatureCheckTests {
  private let exact = 1e-8
  private let inexact = 1e-2

  private func check<Value>(
    _ network: CurvatureNetwork, _ body: (CurvatureCheck) -> Value
  ) throws -> Value {
    func buffer(_ values: [Double]) -> Buffer<Double> {
      let buffer = Buffer<Double>(count: values.count)
      for (i, value) in values.enumerated() { buffer.pointer[i] = value }
      return buffer
    }
    return try network.withTargets(0..<network.examples) { targets in
      Result(catching: {
        try CurvatureCheck(
          network.network.description, loss: network.loss, parameters: buffer(network.parameters),
          state: buffer(network.state), inputs: buffer(network.inputs), targets: targets,
          examples: network.examples, samples: 2, seed: 7)
      }).map(body)
    }.get()
  }

  private func distance(
    _ layer: CurvatureCheck.Layer, _ fisher: Fisher, _ axis: SharedAxis
  ) -> Double {
    layer.distances.first { $0.fisher == fisher && $0.axis == axis }!.distance.relative
  }

  private func mlp(_ activation: LayerDescription?) -> [LayerDescription] {
    [.linear(inputs: 3, outputs: 4)] + (activation.map { [$0] } ?? [])
      + [.linear(inputs: 4, outputs: 3, bias: false)] + (activation.map { [$0] } ?? [])
      + [.linear(inputs: 3, outputs: 2)]
  }

  /// Type-2 factors are exact in deep linear regression; drawn and empirical ones are not. With a
  /// tanh only the last layer is exact.
  @Test("type-2 factors are exact in deep linear regression, not with tanh")
  func deepLinear() throws {
    let linear = try check(
      CurvatureNetwork([3], mlp(nil), .meanSquaredError, examples: 6)
    ) { $0.layers() }
    #expect(linear.count == 3)
    for layer in linear {
      #expect(layer.automatic == nil && layer.distances.count == 6)
      for axis in SharedAxis.allCases {
        #expect(distance(layer, .type2, axis) <= exact)
        #expect(distance(layer, .monteCarlo(samples: 2), axis) > inexact)
        #expect(distance(layer, .empirical, axis) > inexact)
      }
      #expect(layer.empirical!.relative > inexact)
    }
    let tanh = try check(
      CurvatureNetwork([3], mlp(.tanh), .meanSquaredError, examples: 6)
    ) { $0.layers() }
    for layer in tanh.dropLast() { #expect(distance(layer, .type2, .expand) > inexact) }
    #expect(distance(tanh[2], .type2, .expand) <= exact)
  }

  /// `expand` is exact and automatic with a loss per position, `reduce` with a mean over the
  /// positions.
  @Test("each setting of a shared axis is exact for one network", arguments: [false, true])
  func sharedAxisSetting(isPooled: Bool) throws {
    let layers = try check(
      CurvatureNetwork(
        [5, 3],
        [.linear(inputs: 3, outputs: 4), .linear(inputs: 4, outputs: 2)]
          + (isPooled ? [.globalAveragePool] : []), .meanSquaredError, examples: 6)
    ) { $0.layers() }
    let (right, wrong) = isPooled ? (SharedAxis.reduce, SharedAxis.expand) : (.expand, .reduce)
    #expect(layers.count == 2)
    for layer in layers {
      #expect(layer.automatic == right)
      #expect(distance(layer, .type2, right) <= exact)
      #expect(distance(layer, .type2, wrong) > inexact)
    }
  }

  /// Tests convolutions, a batch norm's diagonal and an embedding; none of them is exact.
  @Test("reported distances equal those of dense matrices") func denseDistances() throws {
    let networks = [
      try CurvatureNetwork(
        [2, 4, 4],
        [
          .conv2d(inputs: 2, outputs: 3, kernel: 3, stride: 1, padding: 1), .batchNorm, .tanh,
          .globalAveragePool, .linear(inputs: 3, outputs: 3),
        ], .crossEntropy(), examples: 4),
      try CurvatureNetwork(
        [3],
        [
          .embedding(vocabulary: 5, width: 4), .add([.attention(heads: 2, isCausal: true)]),
          .layerNorm, .linear(inputs: 4, outputs: 5),
        ], .crossEntropy(), examples: 3),
    ]
    for network in networks {
      let layers = try check(network) { $0.layers() }
      let (newton, empirical) = (network.gaussNewton(), network.empiricalFisher())
      for fisher in [Fisher.type2, .empirical] {
        let truth = fisher == .empirical ? empirical : newton
        for axis in SharedAxis.allCases {
          // Draws depend on the step; this reference has none.
          guard fisher == .empirical || network.network.positions == 1 else { continue }
          for (factors, layer) in zip(
            network.factors(fisher, axis, blocks: axis == .reduce), layers)
          {
            let block = network.block(truth, of: factors.layer)
            let expected =
              factors.layer.isNormalization
              ? factors.a.relativeDistance(to: block)
              : factors.product.relativeDistance(to: block)
            #expect(factors.layer.name == layer.layer.name)
            #expect((distance(layer, fisher, axis) - expected).magnitude <= 1e-7)
          }
        }
      }
      for layer in layers {
        let expected = network.block(empirical, of: layer.layer)
          .relativeDistance(to: network.block(newton, of: layer.layer))
        #expect((layer.empirical!.relative - expected).magnitude <= 1e-7)
      }
    }
  }

  /// Compares rows in single precision and in bfloat16 with the same matrices, formed.
  @Test("distances of stored rows equal those of the dense matrices") func rowDistances() throws {
    let network = try CurvatureNetwork([3], mlp(.tanh), .meanSquaredError, examples: 5)
    let exact = try check(network) { $0.gradients() }
    func fisher(_ rows: [[Double]]) -> DenseMatrix {
      let d = network.parameters.count
      return DenseMatrix(rows: d, columns: d) { i, j in
        rows.reduce(0) { $0 + $1[i] * $1[j] } / Double(rows.count)
      }
    }
    for type in RowType.unscaledTypes(for: Float.self) {
      var rows = exact.map { $0.map(Float.init) }
      for i in rows.indices {
        rows[i].withUnsafeMutableBufferPointer { MixedPrecision.round($0, to: type) }
      }
      let distance = relativeDistance(ofRows: rows, to: exact)
      let dense = fisher(rows.map { $0.map(Double.init) }).relativeDistance(to: fisher(exact))
      #expect((distance / dense - 1).magnitude <= 1e-6)
      #expect(type == .float32 ? distance < 1e-6 : (1e-4..<1e-2).contains(distance))
    }
    #expect(relativeDistance(ofRows: [[1, 2]], to: [[1, 2]]) == 0)
  }

  /// 2 × 150 rows exceed a panel of products.
  @Test("more rows than a panel give the same norm") func panels() throws {
    let network = try CurvatureNetwork(
      [3], [.linear(inputs: 3, outputs: 2), .tanh, .linear(inputs: 2, outputs: 2)],
      .meanSquaredError, examples: 150)
    let newton = network.gaussNewton()
    for layer in try check(network, { $0.layers() }) {
      let exact = layer.distances[0].distance.exactNorm
      let square = network.block(newton, of: layer.layer).values.reduce(0) { $0 + $1 * $1 }
      #expect((exact / square.squareRoot() - 1).magnitude <= 1e-12)
    }
  }

  /// One example has 17 positions × 60 outputs, more than 1000.
  @Test("networks with too many outputs have no Gauss–Newton matrix") func manyOutputs() throws {
    let network = try CurvatureNetwork(
      [17, 2], [.linear(inputs: 2, outputs: 60)], .crossEntropy(), examples: 2)
    #expect(!CurvatureCheck.hasGaussNewton(network.network.description))
    #expect(
      try CurvatureCheck.hasGaussNewton(
        NetworkDescription(input: [17, 2], layers: [.linear(inputs: 2, outputs: 58)])))
    // The outputs are few, but each costs 10¹² multiplications.
    #expect(
      try !CurvatureCheck.hasGaussNewton(
        NetworkDescription(input: [8000], layers: [.linear(inputs: 8000, outputs: 900)])))
    let layers = try check(network) { $0.layers() }
    #expect(
      layers[0].empirical == nil && layers[0].distances.map(\.fisher) == [.empirical, .empirical])
  }
}
