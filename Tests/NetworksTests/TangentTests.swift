import LinearAlgebra
import Networks
import RandomNumbers
import Support
import Testing

/// Compares the outputs' derivatives along directions with the gradient, which other code computes,
/// and with differences of the outputs.
@Suite struct TangentTests {
  struct Case: Sendable, CustomTestStringConvertible {
    let testDescription: String
    let network: @Sendable () throws -> NetworkDescription
    var vocabulary: Int?
  }

  /// Every layer of the gradient's tests, and whole networks.
  static let cases: [Case] =
    GradientTests.cases.map { example in
      Case(testDescription: example.testDescription) {
        try NetworkDescription(input: example.input, layers: example.layers)
      }
    }
    + LayerGradientTests.cases.map { example in
      Case(
        testDescription: example.testDescription,
        network: { try NetworkDescription(input: example.input, layers: example.layers) },
        vocabulary: example.vocabulary)
    } + [
      Case(testDescription: "normalisations before the first other parameters") {
        try NetworkDescription(
          input: [3, 4, 2],
          layers: [
            .batchNorm, .relu, .toSequence, .layerNorm, .add([.positionEmbedding]), .flatten,
            .linear(inputs: 24, outputs: 3),
          ])
      },
      Case(testDescription: "rms-norm first") {
        try NetworkDescription(
          input: [3, 4, 2],
          layers: [.toSequence, .rmsNorm, .flatten, .linear(inputs: 24, outputs: 3)])
      },
      Case(testDescription: "layer-norm first, positions first") {
        try NetworkDescription(
          input: [3, 4, 2],
          layers: [
            .toSequence,
            .add([.layerNorm], shortcut: .positionEmbedding), .gelu, .globalAveragePool,
            .linear(inputs: 3, outputs: 2),
          ])
      },
      Case(testDescription: "sums of which one part has parameters") {
        try NetworkDescription(
          input: [2, 4, 3],
          layers: [
            .add([.conv2d(inputs: 2, outputs: 2, kernel: 3, padding: 1)]),
            .add([.tanh], shortcut: .sequence([.averagePool2d(kernel: 1), .batchNorm])), .flatten,
          ])
      },
      Case(testDescription: "a batch-norm of the inputs, and the inputs") {
        try NetworkDescription(
          input: [2, 4, 3],
          layers: [.add([.batchNorm], shortcut: .averagePool2d(kernel: 1)), .relu, .flatten])
      },
      Case(testDescription: "mlp") { try .mlp(input: [2, 3, 3], classes: 3) },
      Case(testDescription: "cnn") { try .cnn(input: [2, 8, 9], classes: 3) },
      Case(testDescription: "resnet") { try .resnet(blocks: 1, input: [3, 8, 8], classes: 3) },
      Case(testDescription: "wide resnet") {
        try .wideResnet(blocks: 1, width: 1, input: [2, 8, 8], classes: 3)
      },
      Case(testDescription: "vit-tiny") { try .vitTiny(input: [3, 8, 8], classes: 3) },
      Case(
        testDescription: "gpt-mini", network: { try .gptMini(vocabulary: 11, positions: 5) },
        vocabulary: 11),
    ]

  /// A network, examples and parameters that depend on the seed alone.
  struct Problem<Element: Scalar> {
    var network: ArrayNetwork<Element>
    let inputs: [Element]
    let parameters: [Element]

    init(_ example: Case, isTraining: Bool) throws {
      network = try ArrayNetwork(example.network())
      network.isTraining = isTraining
      // Means around 0, at which a ReLU passes one half, and variances around 1.
      for tensor in network.network.stateLayout.tensors {
        for i in tensor.range {
          let value = CounterRandom(seed: 5, stream: 0).uniform(at: UInt64(i))
          network.state[i] = Element(Float(value + (tensor.name.hasSuffix("mean") ? -0.5 : 0.5)))
        }
      }
      inputs = network.examples(3, seed: 7, vocabulary: example.vocabulary).inputs
      parameters = network.initialized(seed: 3)
    }

    func direction(_ stream: UInt64) -> [Element] { randoms(parameters.count, stream) }

    func randoms(_ count: Int, _ stream: UInt64) -> [Element] {
      let random = CounterRandom(seed: 13, stream: stream)
      return (0..<count).map { Element(Float(2 * random.uniform(at: UInt64($0)) - 1)) }
    }
  }

  @Test("tangents are the transpose of the gradient", arguments: cases, [false, true])
  func transposedGradient(_ example: Case, isTraining: Bool) throws {
    let products = try transposedProducts(example, isTraining: isTraining)
    #expect(products.allSatisfy { $0.magnitude > 1e-4 })
  }

  /// Any nesting and branching of layers is safe: no buffer is overwritten while it is still
  /// needed.
  @Test("tangents of random networks are the transpose of the gradient", arguments: 0..<300)
  func randomNetworks(seed: UInt64) throws {
    for isTraining in [false, true] {
      let example = Case(testDescription: "") { try .random(seed: seed) }
      let products = try transposedProducts(example, isTraining: isTraining)
      #expect(products.contains { $0 != 0 })
    }
  }

  /// Checks ⟨u, J v⟩ = ⟨Jᵀu, v⟩ for two directions v and returns the products relative to their
  /// terms.
  private func transposedProducts(_ example: Case, isTraining: Bool) throws -> [Double] {
    let problem = try Problem<Double>(example, isTraining: isTraining)
    let directions = [problem.direction(1), problem.direction(2)]
    let (outputs, tangents) = problem.network.outputTangents(
      problem.inputs, problem.parameters, directions)
    #expect(outputs == problem.network.outputs(problem.inputs, problem.parameters))
    // The gradient of the squared error by the outputs is u for these targets.
    let targets = zip(outputs, problem.randoms(outputs.count, 3)).map { $0 - $1 }
    let factor = 2 / Double(problem.network.network.outputCount)
    let u = zip(outputs, targets).map { factor * ($0 - $1) }
    let gradient = targets.withUnsafeBufferPointer {
      problem.network.lossAndGradient(
        problem.inputs, .values($0), problem.parameters, .meanSquaredError
      ).gradient
    }
    return zip(directions, tangents).map { direction, tangent in
      let (forward, scale) = inner(u, tangent)
      let (backward, otherScale) = inner(gradient, direction)
      // Roundings at 1e-16 of the terms of both sums, and of the layers before them.
      #expect((forward - backward).magnitude <= 1e-12 * max(scale, otherScale))
      return forward / max(scale, otherScale)
    }
  }

  /// The differences' own errors at a step of 1e-5 are about f‴·1e-10 (the step) and 1e-16·f/1e-5 =
  /// 1e-11·f (rounding). The elements of the directions are at most 1. Both errors are far below
  /// the bound of 1e-6 of the largest. The fixed seeds keep every ReLU and every pool's runner-up
  /// further from its kink than the step.
  @Test("tangents equal differences of the outputs", arguments: cases, [false, true])
  func finiteDifferences(_ example: Case, isTraining: Bool) throws {
    let problem = try Problem<Double>(example, isTraining: isTraining)
    let direction = problem.direction(4)
    let step = 1e-5 / (inner(direction, direction).sum / 100).squareRoot()
    func outputs(at distance: Double) -> [Double] {
      problem.network.outputs(
        problem.inputs, zip(problem.parameters, direction).map { $0 + distance * $1 })
    }
    let differences = zip(outputs(at: step), outputs(at: -step)).map { ($0 - $1) / (2 * step) }
    let tangent = problem.network.outputTangents(
      problem.inputs, problem.parameters, [direction]
    ).tangents[0]
    #expect(largestRelativeError(tangent, to: differences) <= 1e-6)
    #expect(differences.contains { $0.magnitude > 1e-3 })
  }

  @Test("tangents in single precision follow those in double", arguments: cases, [false, true])
  func singleFollowsDouble(_ example: Case, isTraining: Bool) throws {
    let double = try Problem<Double>(example, isTraining: isTraining)
    let single = try Problem<Float>(example, isTraining: isTraining)
    let inputs = double.inputs.map { Float($0) }
    let parameters = double.parameters.map { Float($0) }
    let rounded = single.network.outputTangents(inputs, parameters, [single.direction(1)])
    let expected = double.network.outputTangents(
      inputs.map { Double($0) }, parameters.map { Double($0) }, [double.direction(1)])
    // Roundings at 6e-8 in up to about twenty layers. Each sums up to a few hundred products and
    // may divide by the standard deviation of few elements.
    #expect(largestRelativeError(rounded.tangents[0], to: expected.tangents[0]) <= 1e-4)
    #expect(rounded.tangents[0].map { Double($0) } != expected.tangents[0])
  }

  @Test("the same call gives the same bits", arguments: [false, true])
  func repeatedCall(isTraining: Bool) throws {
    let example = Case(testDescription: "") { try RepeatTests.description() }
    let problem = try Problem<Float>(example, isTraining: isTraining)
    let network = problem.network
    let labels: [Int32] = [0, 1, 2]
    func gradient() -> [UInt32] {
      network.lossAndGradient(problem.inputs, labels, problem.parameters, .crossEntropy())
        .gradient.map(\.bitPattern)
    }
    func tangents(_ directions: [[Float]]) -> [[UInt32]] {
      network.outputTangents(problem.inputs, problem.parameters, directions).tangents
        .map { $0.map(\.bitPattern) }
    }
    let (a, b) = (problem.direction(1), problem.direction(2))
    let before = gradient()
    let both = tangents([a, b])
    #expect(gradient() == before)
    // Intermediate calls: another batch, and values that spread.
    let others = network.outputTangents(
      [Float](repeating: 1, count: 4 * network.network.inputCount), problem.parameters,
      [[Float](repeating: .nan, count: a.count)])
    #expect(others.tangents[0].allSatisfy { $0.isNaN })
    #expect(tangents([b]) == [both[1]])
    #expect(tangents([a, b]) == both)
    #expect(tangents([]).isEmpty)
    let nothing = network.outputTangents([], problem.parameters, [a])
    #expect(nothing.outputs.isEmpty && nothing.tangents == [[]])
  }

  @Test("memory for tangents is counted before it is allocated") func countedMemory() throws {
    let description = try NetworkDescription.mlp(input: [1, 4, 4], classes: 3)
    // Two buffers: one of 128 and then 3 elements an example, and one of 64.
    let count = try MemoryCount.of {
      let network = try MemoryCount.for(.activations) {
        try Network<Float>(description, maximumBatch: 16)
      }
      network.prepareTangents()
      return network
    }
    #expect(count[.state] == 4 * 16 * (128 + 64))
  }

  private func inner(_ a: [Double], _ b: [Double]) -> (sum: Double, magnitude: Double) {
    zip(a, b).reduce((0, 0)) { ($0.0 + $1.0 * $1.1, $0.1 + ($1.0 * $1.1).magnitude) }
  }
}
