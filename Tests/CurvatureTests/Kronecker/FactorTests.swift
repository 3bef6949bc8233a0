import Curvature
import LinearAlgebra
import Networks
import Reference
import Support
import Testing
import Training

/// Tests averages of factors, their packed form, and the choice of layers with factors.
@Suite struct FactorTests {
  @Test("packed sums are the lower triangle, row by row") func packedTriangle() {
    let sums = FactorSums<Double>(FactorShape(order: 3))
    sums.add([1, 2, 3, 4, 5, 6], count: 2)
    sums.add([1, 0, -1], count: 1, factor: 2)
    var packed = [Double](repeating: .nan, count: sums.shape.packedCount)
    sums.finish(into: &packed)
    #expect(packed == [19, 22, 29, 25, 36, 47])
    let average = FactorAverage<Double>(sums.shape)
    average.add(packed, scale: 2, decay: 0)
    #expect(dense(average).values == [38, 44, 50, 44, 58, 72, 50, 72, 94])
    #expect(average.trace == 190)
    // Each sum starts from zero.
    sums.finish(into: &packed)
    #expect(packed == [0, 0, 0, 0, 0, 0])

    let diagonal = FactorSums<Double>(FactorShape(order: 3, form: .diagonal))
    diagonal.add([1, 2, 3, 4, 5, 6], count: 2)
    diagonal.add([1, 0, -1], count: 1, factor: 2)
    diagonal.finish(into: &packed)
    #expect(packed[..<3] == [19, 29, 47])
  }

  /// Expects (1 − β) Σ βᵗ⁻ⁱ Fᵢ divided by 1 − βᵗ.
  @Test("averages are corrected for their start and ignore non-finite sums")
  func unbiasedAverage() {
    let average = FactorAverage<Double>(FactorShape(order: 1))
    let decay = 0.9
    var (sum, weight) = (0.0, 0.0)
    for step in 1...20 {
      average.add([Double(step)], scale: 3, decay: decay)
      sum = decay * sum + (1 - decay) * 3 * Double(step)
      weight = decay * weight + 1 - decay
      #expect(relativeError(dense(average).values, to: [sum / weight]) <= 1e-14)
    }
    // Another process continues from the same numbers.
    let other = FactorAverage<Double>(FactorShape(order: 1))
    other.packed.pointer[0] = average.packed.pointer[0]
    other.resume(weight: average.weight)
    for each in [average, other] { each.add([1], scale: 1, decay: decay) }
    #expect(dense(average) == dense(other))
    // A non-finite number would never leave the average.
    let before = dense(average)
    for bad in [Double.nan, .infinity] {
      let isTaken = average.add([bad], scale: 1, decay: 0)
      #expect(!isTaken && dense(average) == before)
    }
    average.add([5], scale: 1, decay: 0)
    #expect(dense(average).values == [5])
  }

  @Test("statistics in single precision are close to those in double")
  func singleStatistics() throws {
    let layers: [LayerDescription] = [
      .conv2d(inputs: 2, outputs: 4, kernel: 3, stride: 2, padding: 1), .batchNorm, .relu,
      .toSequence, .add([.layerNorm, .attention(heads: 2)]), .linear(inputs: 4, outputs: 3),
    ]
    let network = try CurvatureNetwork([2, 8, 8], layers, .crossEntropy(), examples: 4)
    let single = try Network<Float>(network.network.description, maximumBatch: 4)
    let (inputs, parameters) = (network.inputs.map(Float.init), network.parameters.map(Float.init))
    let state = network.state.map(Float.init)
    for fisher in [Fisher.type2, .monteCarlo(samples: 2), .forwardOnly] {
      for axis in SharedAxis.allCases {
        let settings = KroneckerSettings(
          axis: axis, fisher: fisher, hasNormalizationBlocks: true)
        let statistics = KroneckerStatistics(single, loss: network.loss, settings: settings)
        var packed = [Float](repeating: .nan, count: statistics.packedCount)
        inputs.withUnsafeBufferPointer { inputs in
          parameters.withUnsafeBufferPointer { parameters in
            state.withUnsafeBufferPointer { state in
              statistics.gather(
                inputs: inputs, parameters: parameters, state: state, seed: 7, step: 3,
                firstExample: 0, into: &packed)
            }
          }
        }
        let exact = network.gather(
          KroneckerStatistics(network.network, loss: network.loss, settings: settings), 0..<4,
          seed: 7)
        #expect(relativeError(packed.map(Double.init), to: exact) <= 1e-5)
      }
    }
  }

  @Test("the built-in networks have the expected Kronecker layers") func builtInLayers() throws {
    let resnet = try NetworkDescription.resnet(blocks: 3, input: [3, 32, 32], classes: 10)
    let layers = resnet.kroneckerLayers
    // 19 convolutions, two in shortcuts, and the last layer.
    #expect(layers.count == 19 + 2 + 1)
    #expect(layers[0].name == "conv1.weight" && layers[0].inputs == 27)
    #expect(layers[0].positions == 1024 && layers[0].bias == nil)
    #expect(layers.dropLast().allSatisfy { $0.isPooled })
    let last = layers.last!
    #expect(last.name == "fc.weight" && last.bias == last.weight + 1)
    #expect((last.inputs, last.outputs, last.positions) == (64, 10, 1) && !last.isPooled)
    #expect(resnet.parameterBlocks.count == 21)
    #expect(resnet.tensorsWithoutCurvature.isEmpty)

    let text = try NetworkDescription(
      input: [6],
      layers: [
        .embedding(vocabulary: 9, width: 4), .positionEmbedding,
        .add([.layerNorm, .attention(heads: 2, isCausal: true)]), .linear(inputs: 4, outputs: 9),
      ])
    #expect(
      text.kroneckerLayers.map(\.name) == [
        "0.weight", "2.1.in_proj_weight", "2.1.out_proj.weight", "3.weight",
      ])
    #expect(text.kroneckerLayers.allSatisfy { $0.positions == 6 && !$0.isPooled })
    #expect(text.kroneckerLayers.map(\.isEmbedding) == [true, false, false, false])
    #expect(text.kroneckerLayers.map(\.outputs) == [4, 12, 4, 9])
    #expect(text.tensorsWithoutCurvature.map { text.layout.tensors[$0].name } == ["1.weight"])
  }

  /// After flattening, each position has its own weights, and nothing sums over positions.
  @Test("layers are pooled if later layers merge their positions") func pooledPositions() throws {
    func pooled(_ end: [LayerDescription]) throws -> [Bool] {
      try NetworkDescription(
        input: [1, 4, 4],
        layers: [
          .conv2d(inputs: 1, outputs: 2, kernel: 3, padding: 1), .maxPool2d(kernel: 2),
          .add([.conv2d(inputs: 2, outputs: 2, kernel: 1)]),
        ] + end
      ).kroneckerLayers.map(\.isPooled)
    }
    #expect(try pooled([.flatten, .linear(inputs: 8, outputs: 3)]) == [false, false, false])
    #expect(
      try pooled([.globalAveragePool, .linear(inputs: 2, outputs: 3)]) == [true, true, false])
    #expect(
      try pooled([.averagePool2d(kernel: 2), .flatten, .linear(inputs: 2, outputs: 3)])
        == [true, true, false])
    #expect(
      try pooled([.conv2d(inputs: 2, outputs: 3, kernel: 2), .flatten]) == [false, false, false])
  }

  @Test("embeddings with a large vocabulary have a diagonal factor") func largeVocabulary() throws {
    let network = try CurvatureNetwork(
      [3],
      [
        .embedding(vocabulary: 4097, width: 2), .globalAveragePool,
        .linear(inputs: 2, outputs: 2),
      ], .crossEntropy(), examples: 2)
    let layers = network.factors(.type2, .reduce).map(\.layer)
    #expect(layers[0].shape.axis == .expand && layers[0].shape.a.form == .diagonal)
    #expect(layers[1].shape.axis == .reduce)
  }

  /// Counted by hand, in double precision.
  @Test("the memory of statistics equals a count by hand") func countedMemory() throws {
    let description = try NetworkDescription(
      input: [5, 3],
      layers: [.linear(inputs: 3, outputs: 4), .layerNorm, .linear(inputs: 4, outputs: 2)])
    // B [4, 4] and [2, 2], the diagonal of γ and β [8], and their gradients for 6 examples. Then 30
    // predictions of 2 outputs and a scale, a matrix [4, 4], and room for patches of 3 inputs and
    // for 4 sums.
    let local = 16 + 4 + 8 + 6 * 8 + 30 * 3
    let rows = max(3 * ((1 << 20) / 24), 4 * ((1 << 20) / 32), 4 * 6)
    let count = try MemoryCount.of {
      let network = try MemoryCount.for(.vectors) {
        try Network<Double>(description, maximumBatch: 6)
      }
      return KroneckerStatistics(
        network, loss: .crossEntropy(), settings: KroneckerSettings())
    }
    #expect(count[.state] == 8 * (local + 16 + rows + 4))
  }
}
