import LinearAlgebra
import Networks
import Testing

/// Tests which parts of the gradient a network reports as final during its backward pass.
@Suite struct GradientOrderTests {
  static let networks: [NetworkDescription] = {
    do {
      return [
        try .mlp(input: [64], classes: 10), try .cnn(input: [1, 28, 28], classes: 10),
        try .resnet(blocks: 3, input: [1, 8, 8], classes: 10),
        try .vitTiny(input: [1, 8, 8], classes: 10), try .gptMini(vocabulary: 16, positions: 8),
      ]
    } catch { fatalError("\(error)") }
  }()

  @Test(
    "a part of the gradient reported as final does not change any more",
    arguments: networks.indices)
  func finalParts(index: Int) throws {
    let network = try Network<Float>(Self.networks[index], maximumBatch: 2)
    let d = network.parameterCount
    let parameters = Buffer<Float>(count: d)
    let state = Buffer<Float>(count: network.stateCount)
    let gradient = Buffer<Float>(count: d)
    let inputs = Buffer<Float>(count: 2 * network.inputCount)
    let labels = Buffer<Int32>(count: 2 * network.positions)
    network.layout.initialize(parameters.all, seed: 3)
    network.stateLayout.initialize(state.all)
    for i in 0..<inputs.count { inputs.pointer[i] = Float(i % 7) }
    for i in 0..<labels.count { labels.pointer[i] = Int32(i % 10) }
    gradient.all.update(repeating: .nan)

    var starts: [Int] = []
    var early = [Float](repeating: .nan, count: d)
    _ = network.lossAndGradient(
      inputs: UnsafeBufferPointer(inputs.all), targets: .classes(UnsafeBufferPointer(labels.all)),
      parameters: UnsafeBufferPointer(parameters.all), state: UnsafeBufferPointer(state.all),
      gradient: gradient.all, loss: .crossEntropy(), scale: 1, training: nil
    ) { start in
      for i in start..<(starts.last ?? d) { early[i] = gradient.pointer[i] }
      starts.append(start)
    }
    #expect(zip(starts, starts.dropFirst()).allSatisfy { $0 >= $1 } && starts.last == 0)
    #expect(early.elementsEqual(gradient.all) && early.allSatisfy(\.isFinite))
    // Reports arrive during the pass, not at its end: each layer with parameters makes one.
    let layers = Set(network.layout.tensors.map { $0.name.split(separator: ".").dropLast() })
    #expect(Set(starts).subtracting([d]).count == layers.count)
  }
}
