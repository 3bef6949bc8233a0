import LinearAlgebra
import Networks
import RandomNumbers
import Support
import Testing

/// Compares gradients of the layers of residual networks and transformers with central differences
/// in double precision, in evaluation and in training.
@Suite struct LayerGradientTests {
  struct Case: Sendable, CustomTestStringConvertible {
    let testDescription: String
    let input: [Int]
    let layers: [LayerDescription]
    var vocabulary: Int?
  }

  static let conv: LayerDescription = .conv2d(
    inputs: 2, outputs: 3, kernel: 3, padding: 1, bias: false)

  static func image(_ text: String, _ layers: [LayerDescription], features: Int) -> Case {
    Case(
      testDescription: text, input: [2, 4, 5],
      layers: [conv] + layers + [.flatten, .linear(inputs: features, outputs: 3)])
  }

  static func sequence(_ text: String, _ layers: [LayerDescription], width: Int = 6) -> Case {
    Case(
      testDescription: text, input: [5],
      layers: [.embedding(vocabulary: 7, width: 6)] + layers + [.linear(inputs: width, outputs: 4)],
      vocabulary: 7)
  }

  static let cases: [Case] = [
    image("batch-norm", [.batchNorm], features: 60),
    image("batch-norm and relu", [.batchNorm, .relu], features: 60),
    image("batch-norm and tanh", [.batchNorm, .tanh], features: 60),
    Case(
      testDescription: "batch-norm of more channels than lanes", input: [4],
      layers: [
        .linear(inputs: 4, outputs: 150), .batchNorm, .relu, .linear(inputs: 150, outputs: 3),
      ]),
    Case(
      testDescription: "batch-norm first, of an image with channels first", input: [2, 4, 5],
      layers: [.batchNorm, .flatten, .linear(inputs: 40, outputs: 3)]),
    image("dropout over an output", [.dropout(0.3), .tanh, .dropout(0.5)], features: 60),
    image("global average pool", [.globalAveragePool], features: 3),
    image(
      "residual block", [.add([.conv2d(inputs: 3, outputs: 3, kernel: 1), .tanh])], features: 60),
    image("the shortcut alone", [.add([.tanh]), .add([.sigmoid, .relu]), .gelu], features: 60),
    image(
      "residual blocks in one another",
      [.add([.add([.add([.gelu]), .batchNorm]), .conv2d(inputs: 3, outputs: 3, kernel: 1)])],
      features: 60),
    image("batch-norm and its input", [.add([.batchNorm]), .relu], features: 60),
    image(
      "batch-norm, identity, relu",
      [
        .relu,
        .add([.conv2d(inputs: 3, outputs: 3, kernel: 3, padding: 1), .batchNorm]), .relu,
        .add([.conv2d(inputs: 3, outputs: 3, kernel: 1), .batchNorm]), .tanh,
      ], features: 60),
    image(
      "shortcut with layers",
      [
        .add(
          [.conv2d(inputs: 3, outputs: 4, kernel: 3, stride: 2, padding: 1), .batchNorm],
          shortcut: .sequence([
            .conv2d(inputs: 3, outputs: 4, kernel: 1, stride: 2), .batchNorm,
          ])), .relu,
      ], features: 24),
    image(
      "a shortcut that begins with relu, after a batch-norm",
      [
        .add(
          [.conv2d(inputs: 3, outputs: 3, kernel: 3, padding: 1), .batchNorm], shortcut: .relu),
        .add(
          [.add([.gelu, .batchNorm])],
          shortcut: .sequence([.relu, .conv2d(inputs: 3, outputs: 3, kernel: 1)])),
      ], features: 60),
    image(
      "an addend with its channels first",
      [.add([.flatten, .relu], shortcut: .sequence([.tanh, .flatten]))], features: 60),
    image(
      "a value with three readers",
      [.add([.add([.conv2d(inputs: 3, outputs: 3, kernel: 1), .batchNorm])]), .relu],
      features: 60),
    Case(
      testDescription: "image to sequence", input: [2, 4, 6],
      layers: [
        .conv2d(inputs: 2, outputs: 4, kernel: 2, stride: 2), .toSequence, .positionEmbedding,
        .layerNorm, .attention(heads: 2), .globalAveragePool, .linear(inputs: 4, outputs: 3),
      ]),
    Case(
      testDescription: "sequence without convolution", input: [6, 2, 2],
      layers: [.toSequence, .attention(heads: 3), .flatten, .linear(inputs: 24, outputs: 3)]),
    sequence("embedding", []),
    sequence("positions", [.positionEmbedding]),
    sequence("layer-norm", [.layerNorm]),
    sequence("layer-norm twice, with the stream beside", [.add([.layerNorm]), .layerNorm]),
    sequence("rms-norm", [.rmsNorm]),
    sequence("rms-norm twice, with the stream beside", [.add([.rmsNorm]), .rmsNorm(epsilon: 0.1)]),
    sequence("attention", [.attention(heads: 2)]),
    sequence("causal attention", [.attention(heads: 3, isCausal: true)]),
    sequence(
      "transformer block",
      [
        .positionEmbedding, .dropout(0.2),
        .add([.layerNorm, .attention(heads: 2, isCausal: true), .dropout(0.2)]),
        .add([
          .layerNorm, .linear(inputs: 6, outputs: 9), .gelu, .linear(inputs: 9, outputs: 6),
        ]),
        .layerNorm,
      ]),
    sequence("linear without bias", [.linear(inputs: 6, outputs: 5, bias: false)], width: 5),
  ]

  @Test("gradients of each layer equal differences of the loss", arguments: cases, [false, true])
  func layers(_ example: Case, isTraining: Bool) throws {
    for loss in Loss.all {
      let description = try NetworkDescription(input: example.input, layers: example.layers)
      try expectDifferences(
        description, loss, isTraining: isTraining, vocabulary: example.vocabulary)
    }
  }

  @Test("gradients of residual networks equal differences of the loss", arguments: [false, true])
  func residualNetworks(isTraining: Bool) throws {
    for description in [
      try NetworkDescription.resnet(blocks: 1, input: [3, 8, 8], classes: 3),
      try NetworkDescription.wideResnet(blocks: 1, width: 1, input: [2, 8, 8], classes: 3),
    ] {
      try expectDifferences(description, .crossEntropy(), isTraining: isTraining, samples: 1)
    }
  }

  @Test("gradients of transformers equal differences of the loss") func transformers() throws {
    try expectDifferences(
      .gptMini(vocabulary: 11, positions: 5), .crossEntropy(), isTraining: true, vocabulary: 11,
      samples: 1, tensorsBetween: 7)
    try expectDifferences(
      .vitTiny(input: [3, 8, 8], classes: 3), .crossEntropy(), isTraining: true, samples: 1,
      tensorsBetween: 13)
  }
}

/// Checks all parameters, or `samples` of each tensor, or of one in every `tensorsBetween` tensors.
///
/// `GradientTests` explains the step and the bound of 1e-6.
func expectDifferences(
  _ description: NetworkDescription, _ loss: Loss, isTraining: Bool = false,
  vocabulary: Int? = nil, samples: Int? = nil, tensorsBetween: Int = 1
) throws {
  var network = try ArrayNetwork<Double>(description)
  network.isTraining = isTraining
  for i in network.state.indices {
    network.state[i] = 0.5 + CounterRandom(seed: 5, stream: 0).uniform(at: UInt64(i))
  }
  let (inputs, labels) = network.examples(3, seed: 7, vocabulary: vocabulary)
  var parameters = network.initialized(seed: 3)
  let scale = 0.25
  let gradient = network.lossAndGradient(inputs, labels, parameters, loss, scale: scale).gradient
  var computed: [Double] = []
  var differences: [Double] = []
  for (index, tensor) in description.layout.tensors.enumerated()
  where index % tensorsBetween == 0 {
    let random = CounterRandom(seed: 11, stream: UInt64(index))
    let places = samples.map { samples in
      (0..<samples).map {
        tensor.range.lowerBound + random.integer(below: tensor.range.count, at: UInt64($0))
      }
    }
    for place in places ?? Array(tensor.range) {
      let step = 1e-5
      let value = parameters[place]
      func total(at value: Double) -> Double {
        parameters[place] = value
        return network.lossAndGradient(inputs, labels, parameters, loss).loss
      }
      let difference = total(at: value + step) - total(at: value - step)
      parameters[place] = value
      differences.append(scale * difference / (2 * step))
      computed.append(gradient[place])
    }
  }
  #expect(differences.contains { $0.magnitude > 1e-3 })
  #expect(largestRelativeError(computed, to: differences) <= 1e-6)
}
