import Curvature
import LinearAlgebra
import Networks
import RandomNumbers
import Reference
import Testing
import Training

/// Products with a layer's exact block, from its samples, and conjugate gradients with them.
@Suite struct LayerFisherTests {
  /// By weights: samples of each micro-batch.
  private func samples(
    _ network: CurvatureNetwork, _ fisher: Fisher, microBatches: Int
  ) -> (layers: [CurvatureLayer], samples: [Int: [LayerSamples<Double>]]) {
    let statistics = KroneckerStatistics(
      network.network, loss: network.loss, settings: KroneckerSettings(fisher: fisher))
    let layers = statistics.layers.filter { !$0.isNormalization }
    let size = network.examples / microBatches
    let (positions, outputs) = (network.network.positions, network.network.outputCount)
    let vectors = FisherVectors<Double>(
      fisher, of: network.loss, predictions: network.examples * positions, outputs: outputs,
      keepingApart: fisher == .type2 ? positions : 1)
    let columns = vectors.columns
    var samples: [Int: [LayerSamples<Double>]] = [:]
    for layer in layers {
      samples[layer.weight] = (0..<microBatches).map { _ in
        LayerSamples(layer.shape, columns: columns, maximumExamples: size)
      }
    }
    let width = network.network.inputCount
    for microBatch in 0..<microBatches {
      network.network.observer = { seen in
        let sample = samples[seen.weight]![microBatch]
        if seen.column == 0 { sample.setInputs(seen.inputs, examples: seen.examples) }
        sample.setOutputGradients(seen.outputGradients.baseAddress!, column: seen.column)
      }
      let range = microBatch * size..<(microBatch + 1) * size
      let inputs = Array(network.inputs[range.lowerBound * width..<range.upperBound * width])
      network.withTargets(range) { targets in
        network.withBuffers(inputs) { inputs, parameters, state in
          network.network.propagateColumns(
            inputs: inputs, parameters: parameters, state: state, columns: columns
          ) { column, z, vector in
            vectors.fill(
              column, z, into: vector, targets: targets, seed: 1, step: 0,
              firstPrediction: range.lowerBound * positions)
          }
        }
      }
    }
    network.network.observer = nil
    return (layers, samples)
  }

  private func exactBlock(_ samples: [LayerSamples<Double>], scale: Double) -> ExactBlock {
    let block = ExactBlock(
      samples[0].shape, rowCount: samples.reduce(0) { $0 + $1.examples * $1.columns }, scale: scale)
    for sample in samples {
      for column in 0..<sample.columns { block.add(sample, column: column) }
    }
    return block
  }

  /// Every kind of layer, none of them exact for Kronecker factors.
  private func networks() throws -> [CurvatureNetwork] {
    [
      try CurvatureNetwork(
        [2, 5, 4],
        [
          .conv2d(inputs: 2, outputs: 3, kernel: 3, stride: 2, padding: 1), .tanh,
          .conv2d(inputs: 3, outputs: 2, kernel: 2, bias: false), .flatten,
          .linear(inputs: 4, outputs: 3),
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

  @Test(arguments: [1, 2, 4]) func productIsThatOfTheDenseBlock(microBatches: Int) throws {
    for network in try networks() {
      let truths = [(Fisher.type2, network.gaussNewton()), (.empirical, network.empiricalFisher())]
      for (fisher, truth) in truths {
        let (layers, samples) = samples(network, fisher, microBatches: microBatches)
        let factor = network.loss.reductionFactor(
          predictions: network.examples * network.network.positions,
          outputs: network.network.outputCount)
        for layer in layers {
          let product = LayerFisher(samples[layer.weight]!, scale: factor, damping: 0.05)
          let range = layer.parameters
          let block = DenseMatrix(rows: range.count, columns: range.count) {
            truth[range.lowerBound + $0, range.lowerBound + $1]
          }.shifted(by: 0.05)
          #expect(product.count == range.count)
          let random = CounterRandom(seed: 2, stream: 9)
          let v = range.map { random.normal(at: UInt64($0)) }
          var image = [Double](repeating: .nan, count: v.count)
          try product(v, into: &image)
          #expect(relativeError(image, to: block * v) <= 1e-10)

          var x = [Double](repeating: 0, count: v.count)
          let outcome = try ConjugateGradients(tolerance: 1e-11, iterations: 500)
            .solve(count: v.count, v, x: &x) { try product($0, into: $1) }
          #expect(outcome.residual <= 1e-11)
          #expect(relativeError(x, to: block.solve(v)) <= 1e-8)
        }
      }
    }
  }

  /// The sum over micro-batches may come from elsewhere, here from two halves of them.
  @Test func sumsOfOthersAreTakenIn() throws {
    let network = try networks()[0]
    let (layers, samples) = samples(network, .type2, microBatches: 2)
    let both = samples[layers[0].weight]!
    let count = layers[0].parameters.count
    let v = (0..<count).map { Double($0 % 5) - 2 }
    var (whole, halved) = (v, v)
    try LayerFisher(both, scale: 0.5, damping: 1)(v, into: &whole)
    let other = both[1]
    try LayerFisher([both[0]], scale: 0.5, damping: 1) { part, sum in
      other.multiply(v, into: sum)
      for i in 0..<count { sum[i] += part[i] }
    }(v, into: &halved)
    #expect(relativeError(halved, to: whole) <= 1e-14)
  }

  /// ‖B⊗A − F‖ by products against both matrices formed; what is 1e-8 here is a rounding of a square.
  @Test func distancesAreThoseOfTheMatrices() throws {
    for network in try networks() {
      let truths = [(Fisher.type2, network.gaussNewton()), (.empirical, network.empiricalFisher())]
      for (fisher, truth) in truths {
        let (_, samples) = samples(network, fisher, microBatches: 2)
        let factor = network.loss.reductionFactor(
          predictions: network.examples * network.network.positions,
          outputs: network.network.outputCount)
        for axis in SharedAxis.allCases {
          for factors in network.factors(fisher, axis) where !factors.layer.isNormalization {
            let block = network.block(truth, of: factors.layer)
            let distance = exactBlock(samples[factors.layer.weight]!, scale: factor).distance(
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

  @Test func whatIsExactHasNoDistance() throws {
    let network = try CurvatureNetwork(
      [3], [.linear(inputs: 3, outputs: 4), .linear(inputs: 4, outputs: 2)], .meanSquaredError,
      examples: 6)
    let (layers, samples) = samples(network, .type2, microBatches: 1)
    #expect(layers.count == 2)
    for factors in network.factors(.type2) {
      let distance = exactBlock(
        samples[factors.layer.weight]!,
        scale: network.loss.reductionFactor(predictions: 6, outputs: 2)
      ).distance(of: factors.layer.shape, a: factors.averages.a, b: factors.averages.b)
      #expect(distance.isByElements && distance.relative <= 1e-13)
      #expect((distance.cosine - 1).magnitude <= 1e-13)
    }
  }
}
