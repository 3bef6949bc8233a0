import LinearAlgebra
import Networks
import Testing

@Suite struct RepeatTests {
  /// Returns layers whose memory is shared or reused in every possible way.
  static func description() throws -> NetworkDescription {
    try NetworkDescription(
      input: [3, 9, 9],
      layers: [
        .conv2d(inputs: 3, outputs: 5, kernel: 3, padding: 1), .tanh, .relu,
        .maxPool2d(kernel: 3, stride: 2, padding: 1),
        .conv2d(inputs: 5, outputs: 6, kernel: 3, stride: 2), .gelu,
        .averagePool2d(kernel: 2), .flatten, .sigmoid, .linear(inputs: 6, outputs: 4),
      ])
  }

  @Test("the same call gives the same bits", arguments: Loss.all)
  func repeatedCall(loss: Loss) throws {
    let network = try ArrayNetwork<Float>(Self.description(), maximumBatch: 7)
    let parameters = network.initialized(seed: 1)
    let (inputs, labels) = network.examples(5, seed: 1)
    let fresh = network.lossAndGradient(inputs, labels, parameters, loss)
    #expect(fresh.gradient.allSatisfy { $0.isFinite })
    // Intermediate calls: other batches, other parameters, no examples, and values that spread.
    for count in [7, 1, 0, 4] {
      let (others, otherLabels) = network.examples(count, seed: UInt64(20 + count))
      let result = network.lossAndGradient(
        others.map { $0 * 1e30 }, otherLabels, network.initialized(seed: 9), loss)
      if count == 0 {
        #expect(result.loss == 0)
        #expect(result.gradient.allSatisfy { $0 == 0 })
      } else {
        #expect(result.gradient != fresh.gradient)
      }
      var spoiled = parameters
      for index in spoiled.indices { spoiled[index] = .nan }
      #expect(network.evaluate(others, otherLabels, spoiled, loss).lossSum.isNaN || count == 0)
      let again = network.lossAndGradient(inputs, labels, parameters, loss)
      #expect(again.loss == fresh.loss)
      #expect(again.gradient.map(\.bitPattern) == fresh.gradient.map(\.bitPattern))
    }
    let other = try ArrayNetwork<Float>(Self.description(), maximumBatch: 5)
    let elsewhere = other.lossAndGradient(inputs, labels, parameters, loss)
    #expect(elsewhere.loss == fresh.loss)
    #expect(elsewhere.gradient.map(\.bitPattern) == fresh.gradient.map(\.bitPattern))
  }

  @Test("a forward pass leaves its inputs unchanged") func untouchedInputs() throws {
    let network = try ArrayNetwork<Double>(
      NetworkDescription(
        input: [1, 2, 2], layers: [.relu, .flatten, .linear(inputs: 4, outputs: 2)]))
    let inputs = [-1.0, 2, -3, 4]
    let parameters = [1.0, 1, 1, 1, 0, 0, 0, 1, 10, 20]
    #expect(network.outputs(inputs, parameters) == [16, 24])
    #expect(inputs == [-1, 2, -3, 4])
  }

  @Test("memory is counted before it is allocated") func countedMemory() throws {
    let description = try NetworkDescription.mlp(input: [1, 4, 4], classes: 3)
    // Activations have 128, 64 and 3 elements an example; gradients take two buffers, of 64, and of
    // 3 and then 128 elements. All times 16 examples.
    let elements = 16 * (128 + 64 + 3 + 64 + 128)
    func bytes<Element: Scalar>(_ scalar: Element.Type) throws -> Int {
      try MemoryCount.of { try Network<Element>(description, maximumBatch: 16) }.total
    }
    #expect(try bytes(Float.self) == 4 * elements)
    #expect(try bytes(Double.self) == 8 * elements)
    let large = try NetworkDescription(
      input: [1], layers: [.linear(inputs: 1, outputs: 1 << 30, bias: false)])
    let batch = Int(Int32.max)
    let error = #expect(throws: NetworkMemoryError.self) {
      try MemoryCount.of { try Network<Float>(large, maximumBatch: batch) }
    }
    #expect(error?.description.contains("\(batch) examples") == true)
  }
}
