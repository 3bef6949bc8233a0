import Networks
import RandomNumbers
import Support
import Testing

/// Compares outputs with loops over the definition, in the order [channel, row, column].
@Suite struct ForwardTests {
  struct Geometry: Sendable {
    var inputs = 2
    var outputs = 3
    var height = 6
    var width = 7
    var kernel = 3
    var stride = 1
    var padding = 0

    func positions(_ size: Int) -> Int { (size + 2 * padding - kernel) / stride + 1 }

    /// Calls `body` with output position, window position, and the input index, nil outside the
    /// input.
    func visitWindows(_ body: (Int, Int, Int, Int, Int, (Int, Int)?) -> Void) {
      for oy in 0..<positions(height) {
        for ox in 0..<positions(width) {
          for ky in 0..<kernel {
            for kx in 0..<kernel {
              let y = oy * stride + ky - padding
              let x = ox * stride + kx - padding
              let inside = (0..<height).contains(y) && (0..<width).contains(x)
              body(oy, ox, ky, kx, oy * positions(width) + ox, inside ? (y, x) : nil)
            }
          }
        }
      }
    }
  }

  static let convolutions = [
    Geometry(), Geometry(padding: 1), Geometry(stride: 2, padding: 1),
    Geometry(inputs: 1, padding: 1), Geometry(inputs: 3, padding: 1),
    Geometry(inputs: 1, kernel: 5, stride: 2, padding: 2), Geometry(kernel: 1, stride: 3),
    Geometry(kernel: 2, stride: 3, padding: 4), Geometry(height: 3, width: 3),
    Geometry(inputs: 20, outputs: 17, height: 9, width: 1, kernel: 3, padding: 1),
    Geometry(inputs: 1, outputs: 1, height: 2, width: 2, kernel: 4, padding: 1),
    // These lines exceed a tile of sums.
    Geometry(inputs: 30, outputs: 2, height: 40, width: 40, kernel: 5, padding: 2),
  ]

  @Test("convolutions equal loops over their definition", arguments: convolutions)
  func convolution(_ g: Geometry) throws {
    let network = try ArrayNetwork<Double>(
      NetworkDescription(
        input: [g.inputs, g.height, g.width],
        layers: [
          .conv2d(
            inputs: g.inputs, outputs: g.outputs, kernel: g.kernel, stride: g.stride,
            padding: g.padding), .flatten,
        ]))
    let (inputs, _) = network.examples(2, seed: 5)
    let parameters = network.initialized(seed: 6)
    let positions = g.positions(g.height) * g.positions(g.width)
    let biases = g.outputs * g.inputs * g.kernel * g.kernel
    var expected: [Double] = []
    for example in 0..<2 {
      for output in 0..<g.outputs {
        var plane = [Double](repeating: parameters[biases + output], count: positions)
        for input in 0..<g.inputs {
          g.visitWindows { _, _, ky, kx, position, place in
            guard let (y, x) = place else { return }
            let weight = ((output * g.inputs + input) * g.kernel + ky) * g.kernel + kx
            let from = ((example * g.inputs + input) * g.height + y) * g.width + x
            plane[position] += parameters[weight] * inputs[from]
          }
        }
        expected += plane
      }
    }
    // The sums differ only in their order.
    #expect(largestRelativeError(network.outputs(inputs, parameters), to: expected) <= 1e-13)
  }

  static let pools = [
    Geometry(kernel: 2, stride: 2), Geometry(kernel: 3, stride: 2, padding: 1),
    Geometry(inputs: 1, kernel: 3, stride: 1, padding: 1),
    Geometry(inputs: 19, height: 5, width: 4, kernel: 4, stride: 3, padding: 2),
  ]

  /// Returns parameters of a linear layer whose outputs are its inputs.
  func identity(_ count: Int) -> [Double] {
    let weights = (0..<count * count).map { $0 / count == $0 % count ? 1.0 : 0 }
    return weights + [Double](repeating: 0, count: count)
  }

  @Test("pools equal loops over their definition", arguments: pools)
  func pooling(_ g: Geometry) throws {
    let count = g.inputs * g.positions(g.height) * g.positions(g.width)
    func outputs(_ pool: LayerDescription) throws -> (inputs: [Double], outputs: [Double]) {
      let network = try ArrayNetwork<Double>(
        NetworkDescription(
          input: [g.inputs, g.height, g.width],
          layers: [pool, .flatten, .linear(inputs: count, outputs: count)]))
      let (inputs, _) = network.examples(2, seed: 8)
      return (inputs, network.outputs(inputs, identity(count)))
    }
    let (inputs, largest) = try outputs(
      .maxPool2d(kernel: g.kernel, stride: g.stride, padding: g.padding))
    let (_, means) = try outputs(
      .averagePool2d(kernel: g.kernel, stride: g.stride, padding: g.padding))
    var expectedLargest: [Double] = []
    var expectedMeans: [Double] = []
    for plane in 0..<2 * g.inputs {
      var best = [Double](repeating: -.infinity, count: count / g.inputs)
      var sum = [Double](repeating: 0, count: count / g.inputs)
      g.visitWindows { _, _, _, _, position, place in
        guard let (y, x) = place else { return }
        let value = inputs[(plane * g.height + y) * g.width + x]
        best[position] = max(best[position], value)
        sum[position] += value
      }
      expectedLargest += best
      expectedMeans += sum.map { $0 / Double(g.kernel * g.kernel) }
    }
    #expect(largest == expectedLargest)
    #expect(largestRelativeError(means, to: expectedMeans) <= 1e-14)
  }

  @Test("among equal values of a window the first gets the gradient") func poolTies() throws {
    // All of the pool's inputs are equal with weight 0. The weight's gradient is the chosen input
    // times that of the output.
    let network = try ArrayNetwork<Double>(
      NetworkDescription(
        input: [1, 2, 2],
        layers: [
          .conv2d(inputs: 1, outputs: 1, kernel: 1, bias: false), .maxPool2d(kernel: 2), .flatten,
          .linear(inputs: 1, outputs: 1, bias: false),
        ]))
    let result = network.lossAndGradient([5, 7, 11, 13], [1], [0, 1], .meanSquaredError)
    #expect(result.loss == 1)
    #expect(result.gradient == [-2 * 5, 0])
  }

  @Test("NaN anywhere in a window is its maximum") func poolNaN() throws {
    for kernel in 2...3 {
      let network = try ArrayNetwork<Float>(
        NetworkDescription(
          input: [1, kernel, kernel],
          layers: [
            .maxPool2d(kernel: kernel), .flatten, .linear(inputs: 1, outputs: 1, bias: false),
          ]))
      for place in 0..<kernel * kernel {
        var inputs = (0..<kernel * kernel).map { Float($0) }
        inputs[place] = .nan
        #expect(network.outputs(inputs, [1])[0].isNaN)
      }
    }
  }

  @Test("NaN reaches the loss and the gradient") func propagatedNaN() throws {
    let network = try ArrayNetwork<Float>(.cnn(input: [1, 8, 8], classes: 3))
    let (inputs, labels) = network.examples(2, seed: 9)
    var parameters = network.initialized(seed: 1)
    let first = try #require(network.network.layout["0.weight"]).range.lowerBound
    for loss in Loss.all {
      parameters[first] = 0.5
      #expect(network.lossAndGradient(inputs, labels, parameters, loss).loss.isFinite)
      parameters[first] = .nan
      let result = network.lossAndGradient(inputs, labels, parameters, loss)
      #expect(result.loss.isNaN)
      #expect(result.gradient[first].isNaN)
    }
  }
}
