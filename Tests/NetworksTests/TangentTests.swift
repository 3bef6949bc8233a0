import LinearAlgebra
import Networks
import RandomNumbers
import Testing

/// Derivatives along a direction against gradients: ⟨u, J v⟩ = ⟨Jᵀu, v⟩.
@Suite struct TangentTests {
  private static func networks() throws -> [(description: NetworkDescription, vocabulary: Int?)] {
    let image: [LayerDescription] = [
      .conv2d(inputs: 2, outputs: 4, kernel: 3, stride: 2, padding: 1), .batchNorm, .relu,
      .add([.conv2d(inputs: 4, outputs: 4, kernel: 3, padding: 1, bias: false), .batchNorm]),
      .relu, .dropout(0.3), .maxPool2d(kernel: 3, stride: 2, padding: 1),
      .conv2d(inputs: 4, outputs: 4, kernel: 1), .gelu, .averagePool2d(kernel: 2, stride: 1),
      .batchNorm, .tanh, .flatten, .linear(inputs: 4, outputs: 3),
    ]
    let patches: [LayerDescription] = [
      .conv2d(inputs: 2, outputs: 6, kernel: 2, stride: 2), .toSequence, .positionEmbedding,
      .add([.layerNorm, .attention(heads: 2)]),
      .add([.layerNorm, .linear(inputs: 6, outputs: 8), .gelu, .linear(inputs: 8, outputs: 6)]),
      .dropout(0.2), .globalAveragePool, .layerNorm, .linear(inputs: 6, outputs: 3),
    ]
    // What the first layers read does not depend on the parameters.
    let first: [[LayerDescription]] = [
      [.batchNorm, .flatten, .linear(inputs: 60, outputs: 3)],
      [.flatten, .dropout(0.2), .layerNorm, .sigmoid, .linear(inputs: 60, outputs: 3)],
      [.tanh, .add([.batchNorm, .relu]), .flatten, .linear(inputs: 60, outputs: 3)],
      [
        .add([.relu, .averagePool2d(kernel: 1)], shortcut: .batchNorm), .toSequence,
        .positionEmbedding, .linear(inputs: 2, outputs: 3, bias: false),
      ],
      [.maxPool2d(kernel: 2), .toSequence, .linear(inputs: 2, outputs: 3)],
      [.toSequence, .positionEmbedding, .globalAveragePool, .linear(inputs: 2, outputs: 3)],
    ]
    let text: [LayerDescription] = [
      .embedding(vocabulary: 7, width: 4), .positionEmbedding,
      .add([.layerNorm, .attention(heads: 2, isCausal: true)]), .dropout(0.2), .layerNorm,
      .linear(inputs: 4, outputs: 7, bias: false),
    ]
    return try ([image, patches] + first).map {
      (try NetworkDescription(input: [2, 6, 5], layers: $0), nil)
    } + [(try NetworkDescription(input: [5], layers: text), 7)]
  }

  private func vector(_ count: Int, _ stream: UInt64) -> [Double] {
    let random = CounterRandom(seed: 4, stream: stream)
    return (0..<count).map { random.normal(at: UInt64($0)) }
  }

  private func dot(_ a: [Double], _ b: [Double]) -> Double {
    zip(a, b).reduce(0) { $0 + $1.0 * $1.1 }
  }

  @Test(arguments: [false, true]) func tangentsAreAdjointToGradients(isTraining: Bool) throws {
    for (description, vocabulary) in try Self.networks() {
      var network = try ArrayNetwork<Double>(description)
      network.isTraining = isTraining
      for i in network.state.indices { network.state[i] += 0.1 * Double(i % 5) }
      let (inputs, _) = network.examples(3, seed: 2, vocabulary: vocabulary)
      let parameters = zip(network.initialized(seed: 1), vector(network.network.parameterCount, 3))
        .map { $0 + 0.1 * $1 }
      let direction = vector(parameters.count, 4)
      let tangent = network.tangent(inputs, parameters, direction)
      let u = vector(tangent.count, 5)
      // The squared error whose derivative by the outputs is u.
      let half = Double(network.network.outputCount) / 2
      let targets = zip(network.outputs(inputs, parameters), u).map { $0 - half * $1 }
      let gradient = targets.withUnsafeBufferPointer {
        network.lossAndGradient(inputs, .values($0), parameters, .meanSquaredError).gradient
      }
      let scale = (dot(u, u) * dot(tangent, tangent)).squareRoot()
      #expect(scale > 0.1)
      #expect((dot(u, tangent) - dot(gradient, direction)).magnitude <= 1e-12 * scale)
      // The pass of the gradient has left all that it needs, and the last tangent nothing.
      #expect(network.tangent(inputs, parameters, direction, isForwardDone: true) == tangent)
    }
  }

  @Test func singlePrecisionIsNear() throws {
    for (description, vocabulary) in try Self.networks() {
      var (double, single) = (
        try ArrayNetwork<Double>(description), try ArrayNetwork<Float>(description)
      )
      (double.isTraining, single.isTraining) = (true, true)
      let (inputs, _) = double.examples(3, seed: 2, vocabulary: vocabulary)
      let parameters = double.initialized(seed: 1)
      let direction = vector(parameters.count, 4)
      let exact = double.tangent(inputs, parameters, direction)
      let tangent = single.tangent(
        inputs.map(Float.init), parameters.map(Float.init), direction.map(Float.init))
      #expect(relativeError(tangent, exact) <= 1e-4)
    }
  }
}
