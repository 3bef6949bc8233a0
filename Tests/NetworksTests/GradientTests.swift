import Networks
import RandomNumbers
import Testing

/// Compares gradients with central differences in double precision.
///
/// The differences' own errors at a step of 1e-5 are about f‴·1e-10 (the step) and 1e-16·f/1e-5 =
/// 1e-11·f (rounding). Both are far below the bound of 1e-6 of the largest element. The fixed seeds
/// keep every ReLU and every pool's runner-up further from its kink than the step.
@Suite struct GradientTests {
  struct Case: Sendable, CustomTestStringConvertible {
    let testDescription: String
    let input: [Int]
    let layers: [LayerDescription]
  }

  static let imageHead: LayerDescription = .conv2d(inputs: 2, outputs: 3, kernel: 3, padding: 1)

  static let cases: [Case] = [
    Case(
      testDescription: "linear, twice, one without bias", input: [5],
      layers: [.linear(inputs: 5, outputs: 4, bias: false), .linear(inputs: 4, outputs: 3)]),
    Case(
      testDescription: "convolution with stride and padding", input: [2, 6, 5],
      layers: [
        .conv2d(inputs: 2, outputs: 3, kernel: 3, stride: 2, padding: 1),
        .conv2d(inputs: 3, outputs: 2, kernel: 2, bias: false), .flatten,
        .linear(inputs: 2 * 2 * 2, outputs: 3),
      ]),
    Case(
      testDescription: "convolution padded beyond its kernel", input: [2, 3, 3],
      layers: [
        imageHead, .conv2d(inputs: 3, outputs: 2, kernel: 2, stride: 3, padding: 3), .flatten,
        .linear(inputs: 2 * 3 * 3, outputs: 3),
      ]),
    Case(
      testDescription: "convolution to the outputs", input: [1, 4, 4],
      layers: [
        .conv2d(inputs: 1, outputs: 3, kernel: 3), .conv2d(inputs: 3, outputs: 4, kernel: 2),
        .flatten,
      ]),
    Case(
      testDescription: "convolution in groups", input: [2, 6, 5],
      layers: [
        .conv2d(inputs: 2, outputs: 10, kernel: 1),
        .conv2d(inputs: 10, outputs: 6, kernel: 3, stride: 2, padding: 1, groups: 2), .flatten,
      ]),
    Case(
      testDescription: "depthwise convolution, without and with several outputs of an input",
      input: [3, 4, 5],
      layers: [
        .conv2d(inputs: 3, outputs: 3, kernel: 3, padding: 1, groups: 3, bias: false),
        .conv2d(inputs: 3, outputs: 6, kernel: 2, groups: 3), .flatten,
      ]),
    Case(
      testDescription: "convolution with dilation, beside a shortcut", input: [2, 5, 6],
      layers: [
        imageHead,
        .add([.conv2d(inputs: 3, outputs: 3, kernel: 3, padding: 2, dilation: 2), .relu]),
        .conv2d(inputs: 3, outputs: 6, kernel: 2, stride: 3, padding: 1, dilation: 3, groups: 3),
        .flatten,
      ]),
    Case(
      testDescription: "convolution in several blocks of features", input: [2, 12, 12],
      layers: [
        .conv2d(inputs: 2, outputs: 30, kernel: 1), .conv2d(inputs: 30, outputs: 2, kernel: 5),
        .flatten, .linear(inputs: 128, outputs: 3),
      ]),
    Case(
      testDescription: "max-pool side by side, with a rest", input: [2, 5, 5],
      layers: [imageHead, .maxPool2d(kernel: 2), .flatten, .linear(inputs: 12, outputs: 3)]),
    Case(
      testDescription: "max-pool overlapping, padded", input: [2, 5, 6],
      layers: [
        imageHead, .maxPool2d(kernel: 3, stride: 2, padding: 1), .flatten,
        .linear(inputs: 27, outputs: 3),
      ]),
    Case(
      testDescription: "average-pool side by side, with a rest", input: [2, 5, 5],
      layers: [imageHead, .averagePool2d(kernel: 2), .flatten, .linear(inputs: 12, outputs: 3)]),
    Case(
      testDescription: "average-pool overlapping, padded", input: [2, 5, 6],
      layers: [
        imageHead, .averagePool2d(kernel: 3, stride: 2, padding: 1), .flatten,
        .linear(inputs: 27, outputs: 3),
      ]),
    Case(
      testDescription: "flatten first, of channels", input: [2, 2, 3],
      layers: [.flatten, .linear(inputs: 12, outputs: 3)]),
    Case(
      testDescription: "activations after activations", input: [4],
      layers: [
        .linear(inputs: 4, outputs: 6), .tanh, .relu, .sigmoid, .gelu, .relu,
        .linear(inputs: 6, outputs: 3), .gelu, .gelu, .sigmoid, .tanh,
      ]),
    Case(
      testDescription: "activations around flatten", input: [2, 3, 3],
      layers: [
        imageHead, .tanh, .flatten, .relu, .linear(inputs: 27, outputs: 3),
      ]),
    Case(
      testDescription: "activations before the first parameters", input: [2, 3, 3],
      layers: [.relu, imageHead, .gelu, .flatten, .tanh, .linear(inputs: 27, outputs: 3)]),
    Case(
      testDescription: "activation over a flat view of the inputs", input: [1, 3, 3],
      layers: [.flatten, .relu, .linear(inputs: 9, outputs: 3)]),
  ]

  @Test("gradients of each layer equal differences of the loss", arguments: cases, Loss.all)
  func layers(_ example: Case, loss: Loss) throws {
    let description = try NetworkDescription(input: example.input, layers: example.layers)
    try expectDifferences(description, loss)
  }

  @Test(
    "gradients of convolutions equal differences of the loss",
    arguments: [1, 2, 3, 5], [1, 2, 3])
  func convolution(kernel: Int, stride: Int) throws {
    for padding in 0...2 {
      let positions = [7, 6].map { ($0 + 2 * padding - kernel) / stride + 1 }
      try expectDifferences(
        try NetworkDescription(
          input: [2, 7, 6],
          layers: [
            .conv2d(inputs: 2, outputs: 9, kernel: 3, padding: 1, bias: false), .tanh,
            .conv2d(inputs: 9, outputs: 10, kernel: kernel, stride: stride, padding: padding),
            .flatten, .linear(inputs: 10 * positions[0] * positions[1], outputs: 3),
          ]), .crossEntropy(), samples: 60)
    }
  }

  @Test(
    "gradients of activations equal differences of the loss",
    arguments: [LayerDescription.relu, .tanh, .sigmoid, .gelu, .silu], Loss.all)
  func activation(_ layer: LayerDescription, loss: Loss) throws {
    try expectDifferences(
      try NetworkDescription(
        input: [2, 4, 4],
        layers: [
          Self.imageHead, layer, .flatten, .linear(inputs: 48, outputs: 5), layer,
          .linear(inputs: 5, outputs: 3),
        ]), loss)
  }

  @Test("gradients of the built-in networks equal differences of the loss", arguments: Loss.all)
  func builtIn(loss: Loss) throws {
    try expectDifferences(.mlp(input: [2, 3, 3], classes: 3), loss, samples: 150)
    try expectDifferences(.cnn(input: [2, 8, 9], classes: 3), loss, samples: 150)
  }
}
