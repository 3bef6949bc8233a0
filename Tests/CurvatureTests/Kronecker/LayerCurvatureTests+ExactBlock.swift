import Curvature
import LinearAlgebra
import Networks
import Reference
import Support
import Testing
import Training

/// Compares with exact blocks of the Gauss–Newton and the empirical Fisher matrix.
extension LayerCurvatureTests {
  /// Returns samples of each micro-batch for each layer. Their sums are the exact block, even if
  /// positions interact.
  private func exactSamples(
    _ network: CurvatureNetwork, _ fisher: Fisher, microBatches: Int
  ) -> [Sampled] {
    let (positions, width) = (network.network.positions, network.network.inputCount)
    let size = network.examples / microBatches
    let vectors = FisherVectors<Double>(
      fisher, of: network.loss, predictions: network.examples * positions,
      outputs: network.network.outputCount, keepingApart: fisher == .type2 ? positions : 1)
    let workspace = SampleWorkspace<Double>()
    let layers = KroneckerSettings(fisher: fisher).layers(of: network.network.description)
    let sampled: [Sampled] = layers.filter { !$0.isNormalization }.map { layer in
      (
        layer,
        (0..<microBatches).map { _ in
          LayerSamples<Double>(
            layer.shape, for: .fisher, columns: vectors.columns,
            exampleInputs: layer.exampleInputs, maximumExamples: size, workspace: workspace)
        }
      )
    }
    let samples = Dictionary(uniqueKeysWithValues: sampled.map { ($0.layer.first, $0.samples) })
    for microBatch in 0..<microBatches {
      let collector = LayerCollector<Double> { seen in
        let sample = samples[seen.first]![microBatch]
        if seen.column == 0 { sample.setInputs(seen.inputs, examples: seen.examples) }
        sample.setOutputGradients(seen.outputGradients.baseAddress!, column: seen.column)
      }
      let range = microBatch * size..<(microBatch + 1) * size
      let inputs = Array(network.inputs[range.lowerBound * width..<range.upperBound * width])
      network.withTargets(range) { targets in
        network.withBuffers(inputs) { inputs, parameters, state in
          network.network.propagateColumns(
            inputs: inputs, parameters: parameters, state: state, columns: vectors.columns,
            collector: collector
          ) { column, z, vector in
            vectors.fill(
              column, z, into: vector, targets: targets, seed: 1, step: 0,
              firstPrediction: range.lowerBound * positions)
          }
        }
      }
    }
    return sampled
  }

  private func exactBlock(_ samples: [LayerSamples<Double>], scale: Double) -> ExactBlock {
    let block = ExactBlock(
      samples[0].shape, rowCount: samples.reduce(0) { $0 + $1.examples * $1.columns }, scale: scale)
    for sample in samples {
      for column in 0..<sample.columns { block.add(sample, column: column) }
    }
    return block
  }

  @Test("the product from samples equals that with the dense block", arguments: [1, 2, 4])
  func denseBlockProduct(microBatches: Int) throws {
    for network in try networks() {
      let truths = [(Fisher.type2, network.gaussNewton()), (.empirical, network.empiricalFisher())]
      for (fisher, truth) in truths {
        for (layer, samples) in exactSamples(network, fisher, microBatches: microBatches) {
          let product = LayerCurvature(
            layer.shape, .fisher, of: samples, scales: scales(network, layer), damping: 0.05)
          let range = layer.parameters
          let block = DenseMatrix(rows: range.count, columns: range.count) {
            truth[range.lowerBound + $0, range.lowerBound + $1]
          }.shifted(by: 0.05)
          #expect(product.count == range.count)
          let v = normal(range.count)
          var image = [Double](repeating: .nan, count: v.count)
          product(v, into: &image)
          #expect(relativeError(image, to: block * v) <= 1e-10)

          var x = [Double](repeating: 0, count: v.count)
          let outcome = ConjugateGradients(tolerance: 1e-11, iterations: 500)
            .solve(count: v.count, v, x: &x) { product($0, into: $1) }
          #expect(outcome.residual <= 1e-11)
          #expect(relativeError(x, to: block.solve(v)) <= 1e-8)
        }
      }
    }
  }

  /// ‖B⊗A − F‖ from products against both matrices formed; 1e-8 is the rounding of a square.
  @Test("‖B⊗A − F‖ from products equals that of the formed matrices")
  func matrixDistances() throws {
    for network in try networks() {
      let truths = [(Fisher.type2, network.gaussNewton()), (.empirical, network.empiricalFisher())]
      for (fisher, truth) in truths {
        let sampled = exactSamples(network, fisher, microBatches: 2)
        let factor = network.loss.reductionFactor(
          predictions: network.examples * network.network.positions,
          outputs: network.network.outputCount)
        for axis in SharedAxis.allCases {
          let kronecker = network.factors(fisher, axis).filter { !$0.layer.isNormalization }
          #expect(kronecker.map(\.layer.weight) == sampled.map(\.layer.weight))
          for (factors, (_, samples)) in zip(kronecker, sampled) {
            let block = network.block(truth, of: factors.layer)
            let distance = exactBlock(samples, scale: factor).distance(
              of: factors.layer.shape, a: factors.averages.a, b: factors.averages.b)
            let expected = factors.product.relativeDistance(to: block)
            #expect((distance.relative - expected).magnitude <= 1e-7)
            let norm = block.values.reduce(0) { $0 + $1 * $1 }.squareRoot()
            #expect((distance.exactNorm / norm - 1).magnitude <= 1e-10)
          }
        }
      }
    }
  }

  @Test("exact factors have distance 0") func exactDistance() throws {
    let network = try CurvatureNetwork(
      [3], [.linear(inputs: 3, outputs: 4), .linear(inputs: 4, outputs: 2)], .meanSquaredError,
      examples: 6)
    let sampled = exactSamples(network, .type2, microBatches: 1)
    #expect(sampled.count == 2)
    for (factors, (_, samples)) in zip(network.factors(.type2), sampled) {
      let distance = exactBlock(
        samples,
        scale: network.loss.reductionFactor(predictions: 6, outputs: 2)
      ).distance(of: factors.layer.shape, a: factors.averages.a, b: factors.averages.b)
      #expect(distance.isByElements && distance.relative <= 1e-13)
      #expect((distance.cosine - 1).magnitude <= 1e-13)
    }
  }
}
