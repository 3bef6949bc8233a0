import Curvature
import LinearAlgebra
import Networks
import Reference
import Support
import Testing
import Training

/// Tests the layer inputs and gradients that passes expose, and the sums built from them.
@Suite struct StatisticsTests {
  /// Returns a network with branches, reused buffers, dropout and batch statistics.
  private func branches() throws -> CurvatureNetwork {
    try CurvatureNetwork(
      [2, 6, 5],
      [
        .conv2d(inputs: 2, outputs: 4, kernel: 3, stride: 2, padding: 1), .batchNorm, .relu,
        .add(
          [.conv2d(inputs: 4, outputs: 4, kernel: 1), .batchNorm, .relu, .dropout(0.3)],
          shortcut: .conv2d(inputs: 4, outputs: 4, kernel: 1, bias: false)), .relu,
        .toSequence, .positionEmbedding, .add([.layerNorm, .attention(heads: 2)]),
        .globalAveragePool, .tanh, .linear(inputs: 4, outputs: 3),
      ], .crossEntropy(labelSmoothing: 0.1), examples: 4)
  }

  private typealias Seen = (weight: Int, column: Int, numbers: [Double])

  /// Returns everything that a collector sees in the passes of `body`.
  private func seen(_ body: (LayerCollector<Double>) -> Void) -> [Seen] {
    var seen: [Seen] = []
    body(
      LayerCollector(
        weights: { seen.append(($0.weight, $0.column, Array($0.outputGradients))) },
        blocks: { seen.append(($0.weight, $0.column, Array($0.gradients))) }))
    return seen
  }

  /// Three backward passes after one forward pass, the gradient's or a separate one, give the same
  /// bits.
  @Test("repeated backward passes see the same bits") func repeatedBackward() throws {
    let network = try branches()
    let statistics = Buffer<Double>(count: network.network.stateCount)
    let training = TrainingPass(
      statistics: statistics.all, seed: 3, step: 2, firstExample: 0)
    let vectors = FisherVectors<Double>(
      .empirical, of: network.loss, predictions: 4, outputs: 3)
    var gradient = [Double](repeating: .nan, count: network.network.parameterCount)
    network.withTargets(0..<4) { targets in
      network.withBuffers(network.inputs) { inputs, parameters, state in
        func propagate(
          _ columns: Int, isForwardDone: Bool, _ collector: LayerCollector<Double>
        ) {
          network.network.propagateColumns(
            inputs: inputs, parameters: parameters, state: state, training: training,
            columns: columns, isForwardDone: isForwardDone, collector: collector
          ) { _, z, vector in
            vectors.fill(
              0, z, into: vector, targets: targets, seed: 0, step: 0, firstPrediction: 0)
          }
        }
        let local = seen { propagate(3, isForwardDone: false, $0) }
        let fromGradient = seen { collector in
          gradient.withUnsafeMutableBufferPointer { gradient in
            _ = network.network.lossAndGradient(
              inputs: inputs, targets: targets, parameters: parameters, state: state,
              gradient: gradient, loss: network.loss, scale: 1, training: training,
              collector: collector)
          }
        }
        let after = seen { propagate(1, isForwardDone: true, $0) }
        // Four convolutions and projections, the shortcut's and the last, and three norms.
        #expect(fromGradient.count == 6 + 3)
        #expect(local.count == 3 * fromGradient.count)
        for (i, one) in local.enumerated() {
          let other = fromGradient[i % fromGradient.count]
          #expect(one.weight == other.weight && one.column == i / fromGradient.count)
          #expect(one.numbers == other.numbers)
        }
        #expect(after.map(\.numbers) == fromGradient.map(\.numbers))
        #expect(fromGradient.allSatisfy { $0.numbers.contains { $0 != 0 } })
        let inputsAlone = seen { propagate(0, isForwardDone: true, $0) }
        #expect(
          inputsAlone.map(\.weight).sorted()
            == network.network.description.kroneckerLayers.map(\.weight))
        #expect(inputsAlone.allSatisfy { $0.numbers.isEmpty })
      }
    }
  }

  /// Training's own gradient pass shows the same as an empirical pass.
  @Test("the gradient's pass gives the empirical factors") func gradientPass() throws {
    for loss in [Loss.crossEntropy(), .meanSquaredError, .binaryCrossEntropy] {
      let network = try CurvatureNetwork(
        [3], [.linear(inputs: 3, outputs: 4), .layerNorm, .linear(inputs: 4, outputs: 2)], loss,
        examples: 4)
      let statistics = KroneckerStatistics(
        network.network, loss: loss, settings: KroneckerSettings(fisher: .empirical))
      let local = network.gather(statistics, 0..<4, seed: 0)
      var packed = [Double](repeating: .nan, count: statistics.packedCount)
      var gradient = [Double](repeating: .nan, count: network.network.parameterCount)
      packed.withUnsafeMutableBufferPointer { packed in
        gradient.withUnsafeMutableBufferPointer { gradient in
          network.withTargets(0..<4) { targets in
            network.withBuffers(network.inputs) { inputs, parameters, state in
              _ = statistics.gatherEmpirical(scale: 0.25, into: packed.baseAddress!) {
                collector in
                network.network.lossAndGradient(
                  inputs: inputs, targets: targets, parameters: parameters, state: state,
                  gradient: gradient, loss: loss, scale: 0.25, collector: collector)
              }
            }
          }
        }
      }
      #expect(relativeError(packed, to: local) <= 1e-14)
    }
  }

  /// Sums over micro-batches, draws included, equal those of the batch for any cut.
  @Test("the sums of micro-batches equal those of the batch") func microBatches() throws {
    let network = try branches()
    for fisher in [Fisher.type2, .monteCarlo(samples: 2), .empirical, .forwardOnly] {
      for axis in SharedAxis.allCases {
        let whole = network.factors(fisher, axis)
        for count in [2, 4] {
          for (a, b) in zip(whole, network.factors(fisher, axis, microBatches: count)) {
            #expect(a.a.relativeDistance(to: b.a) <= 1e-13)
            #expect(a.b.relativeDistance(to: b.b) <= 1e-13)
          }
        }
      }
    }
  }

  @Test("N copies of a datum have the factors of one") func identicalData() throws {
    func factors(_ examples: Int) throws -> [CurvatureNetwork.Factors] {
      try CurvatureNetwork(
        [2, 4, 4], [.conv2d(inputs: 2, outputs: 3, kernel: 3), .relu, .globalAveragePool],
        .crossEntropy(), examples: examples, identical: true
      ).factors(.type2)
    }
    for (one, many) in zip(try factors(1), try factors(5)) {
      #expect(one.a.relativeDistance(to: many.a) <= 1e-14)
      #expect(one.b.relativeDistance(to: many.b) <= 1e-14)
    }
  }

  /// Computes A and B from their definition, the rows of patches, for windows with any stride and
  /// edge.
  @Test("factors of convolutions are sums over their patches") func convolutionPatches() throws {
    for (kernel, stride, padding) in [
      (3, 1, 1), (3, 2, 1), (2, 2, 0), (4, 3, 2), (1, 2, 0), (5, 1, 4),
    ] {
      let network = try CurvatureNetwork(
        [3, 6, 5],
        [
          .conv2d(inputs: 3, outputs: 2, kernel: kernel, stride: stride, padding: padding),
          .globalAveragePool,
        ], .meanSquaredError, examples: 3)
      var rows: [[[Double]]] = []
      let collector = LayerCollector<Double> { seen in
        guard case .images(let x, let window) = seen.inputs, seen.column == 0 else { return }
        let count = seen.examples * seen.positions
        let patches = Buffer<Double>(count: count * window.patchCount)
        Double.patches(window, rows: 0..<count, of: x, into: patches.pointer)
        rows = (0..<seen.examples).map { n in
          (0..<seen.positions).map { s in
            let row = patches.pointer + (n * seen.positions + s) * window.patchCount
            return window.patchPlaces.map { row[Int($0)] } + [1]
          }
        }
      }
      network.withBuffers(network.inputs) { inputs, parameters, state in
        network.network.propagateColumns(
          inputs: inputs, parameters: parameters, state: state, columns: 0,
          collector: collector
        ) { _, _, _ in }
      }
      let sums = rows.map { rows in
        rows[0].indices.map { i in rows.reduce(0) { $0 + $1[i] } }
      }
      let factor = network.loss.reductionFactor(predictions: 3, outputs: 2)
      for (axis, vectors) in [(SharedAxis.expand, rows.flatMap { $0 }), (.reduce, sums)] {
        let a = network.factors(.forwardOnly, axis)[0].a
        let expected = DenseMatrix(rows: a.rows, columns: a.rows) { i, j in
          factor * vectors.reduce(0) { $0 + $1[i] * $1[j] }
        }
        #expect(a.relativeDistance(to: expected) <= 1e-14)
      }
    }
  }

  // MARK: Normalisations

  /// γ and β multiply and shift values that do not depend on them: their block is exact.
  @Test("blocks of normalizations are exact") func normalizationBlocks() throws {
    let images: [LayerDescription] = [
      .conv2d(inputs: 2, outputs: 3, kernel: 2), .batchNorm, .relu, .globalAveragePool,
      .linear(inputs: 3, outputs: 2),
    ]
    let sequence: [LayerDescription] = [
      .linear(inputs: 3, outputs: 4), .layerNorm, .gelu, .globalAveragePool,
      .linear(inputs: 4, outputs: 2),
    ]
    let rootMeanSquares: [LayerDescription] = [
      .linear(inputs: 3, outputs: 4), .rmsNorm, .gelu, .globalAveragePool,
      .linear(inputs: 4, outputs: 2),
    ]
    for (input, layers) in [([2, 4, 4], images), ([5, 3], sequence), ([5, 3], rootMeanSquares)] {
      for loss in [Loss.crossEntropy(), .meanSquaredError] {
        let network = try CurvatureNetwork(input, layers, loss, examples: 3)
        let (newton, empirical) = (network.gaussNewton(), network.empiricalFisher())
        for (fisher, truth) in [(Fisher.type2, newton), (.empirical, empirical)] {
          let block = network.factors(fisher).first { $0.layer.isNormalization }!
          let expected = network.block(truth, of: block.layer)
          #expect(block.product.relativeDistance(to: expected) <= 1e-10)
          let diagonal = network.factors(fisher, blocks: false).first { $0.layer.isNormalization }!
          let expectedDiagonal = DenseMatrix(rows: expected.rows, columns: expected.rows) {
            $0 == $1 ? expected[$0, $0] : 0
          }
          #expect(diagonal.product.relativeDistance(to: expectedDiagonal) <= 1e-10)
        }
      }
    }
  }

  /// Random signs keep each position's own products if positions interact. Compares the mean of
  /// 4000 passes with passes for one position at a time; the deviation is about 1/√4000, 1.6 %.
  @Test("random signs separate the positions in the mean") func randomSigns() throws {
    let network = try CurvatureNetwork(
      [3, 4], [.linear(inputs: 4, outputs: 4), .attention(heads: 2)], .crossEntropy(), examples: 1)
    let factors = network.factors(.type2, .expand)[0]
    var mean = DenseMatrix(rows: 4, columns: 4)
    for seed in 0..<4000 {
      let b = network.factors(.type2, .expand, seed: UInt64(seed))[0].b
      for i in b.values.indices { mean.values[i] += b.values[i] / 4000 }
    }
    var apart = DenseMatrix(rows: 4, columns: 4)
    let vectors = FisherVectors<Double>(
      .type2, of: network.loss, predictions: 3, outputs: 4, keepingApart: 3)
    let collector = LayerCollector<Double> { seen in
      guard seen.weight == factors.layer.weight else { return }
      let g = seen.outputGradients
      for s in 0..<3 {
        for i in 0..<4 {
          for j in 0..<4 { apart[i, j] += g[s * 4 + i] * g[s * 4 + j] / 3 }
        }
      }
    }
    network.withBuffers(network.inputs) { inputs, parameters, state in
      network.network.propagateColumns(
        inputs: inputs, parameters: parameters, state: state, columns: vectors.columns,
        collector: collector
      ) { column, z, vector in
        vectors.fill(
          column, z, into: vector, targets: nil, seed: 0, step: 0, firstPrediction: 0)
        #expect(vector.indices.allSatisfy { vector[$0] == 0 || $0 / 4 == column / 4 })
      }
    }
    #expect(mean.relativeDistance(to: apart) <= 0.05)
    #expect(factors.b.relativeDistance(to: apart) > 1e-3)
  }
}
