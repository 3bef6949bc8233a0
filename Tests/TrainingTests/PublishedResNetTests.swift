import Formats
import Foundation
import LinearAlgebra
import Networks
import Testing
import TrainedModels
import Training

/// Compares ResNet-20 from a public checkpoint with PyTorch's results in double precision.
@Suite struct PublishedResNetTests {
  static let directory = URL(filePath: #filePath).deletingLastPathComponent()
    .appending(path: "ResNet20").path

  let network: Network<Float>
  let parameters: Buffer<Float>
  let state: Buffer<Float>
  let statistics: Buffer<Float>
  let check: SafetensorsFile
  let inputs: [Float]
  let labels: [Int32]

  init() throws {
    network = try Network(.resnet(blocks: 3, input: [3, 32, 32], classes: 10), maximumBatch: 8)
    parameters = Buffer(count: network.parameterCount)
    state = Buffer(count: network.stateCount)
    statistics = Buffer(count: network.stateCount)
    try network.description.readWeights(
      from: "\(Self.directory)/resnet20-cifar10.safetensors", into: parameters.all,
      state: state.all)
    check = try SafetensorsFile(path: "\(Self.directory)/resnet20-check.safetensors")
    inputs = try check.values("input", as: Float.self)
    labels = try check.values("labels", as: Float.self).map { Int32($0) }
  }

  private func training(_ mode: String) -> TrainingPass<Float>? {
    mode == "train"
      ? TrainingPass(statistics: statistics.all, seed: 0, step: 0, firstExample: 0) : nil
  }

  @Test("the logits are PyTorch's", arguments: ["eval", "train"])
  func logits(_ mode: String) throws {
    let logits = Buffer<Float>(count: 80)
    inputs.withUnsafeBufferPointer {
      network.forward(
        inputs: $0, parameters: UnsafeBufferPointer(parameters.all),
        state: UnsafeBufferPointer(state.all), outputs: logits.all, training: training(mode))
    }
    let expected = try check.values("\(mode).logits", as: Float.self)
    let error = zip(logits.all, expected).map { ($0 - $1).magnitude }.max()!
    #expect(error <= 1e-4)
  }

  @Test("the loss and the gradients are PyTorch's", arguments: ["eval", "train"])
  func lossAndGradients(_ mode: String) throws {
    let gradient = Buffer<Float>(count: network.parameterCount)
    let sum = inputs.withUnsafeBufferPointer { inputs in
      labels.withUnsafeBufferPointer { labels in
        network.lossAndGradient(
          inputs: inputs, targets: .classes(labels),
          parameters: UnsafeBufferPointer(parameters.all), state: UnsafeBufferPointer(state.all),
          gradient: gradient.all, loss: .crossEntropy(), scale: 1 / 8, training: training(mode))
      }
    }
    let loss = try Double(check.values("\(mode).loss", as: Float.self)[0])
    #expect((sum / 8 - loss).magnitude <= 1e-4 * max(loss, 1e-2))
    var compared = 0
    for tensor in network.layout.tensors {
      let expected = try check.values("\(mode).grad.\(tensor.name)", as: Float.self)
      let computed = gradient[tensor.range]
      let difference = zip(computed, expected).reduce(0.0) { $0 + pow(Double($1.0 - $1.1), 2) }
      let norm = expected.reduce(0.0) { $0 + pow(Double($1), 2) }
      #expect((difference / norm).squareRoot() <= 1e-3, "\(tensor.name)")
      compared += expected.count
    }
    #expect(compared == network.parameterCount)
  }
}
