import LinearAlgebra
import Networks
import Support
import Testing

/// Tests the layer inputs and gradients that a collector sees, and the statistics that training
/// leaves.
@Suite struct StatisticsTests {
  /// Expects Σ over examples and positions of output gradient times input to be the weight's
  /// gradient, for every linear layer, convolution, projection and embedding.
  @Test("output gradients times inputs sum to the weight's gradient")
  func gradientFromStatistics() throws {
    let image = try NetworkDescription(
      input: [2, 6, 7],
      layers: [
        .conv2d(inputs: 2, outputs: 4, kernel: 3, stride: 2, padding: 1), .batchNorm, .relu,
        .add([.conv2d(inputs: 4, outputs: 4, kernel: 1)]), .toSequence, .positionEmbedding,
        .add([.layerNorm, .attention(heads: 2)]), .globalAveragePool,
        .linear(inputs: 4, outputs: 3),
      ])
    try expectGradients(image, vocabulary: nil, weights: 5)
    let text = try NetworkDescription(
      input: [5],
      layers: [
        .embedding(vocabulary: 7, width: 6), .attention(heads: 3, isCausal: true),
        .linear(inputs: 6, outputs: 7, bias: false),
      ])
    try expectGradients(text, vocabulary: 7, weights: 4)
  }

  /// A kind of layer that promises factors or a block, but does not show them, would silently have
  /// no curvature. Inputs times output gradients, and the examples' gradients, sum to the gradient.
  @Test("every layer with curvature is shown to the collector", arguments: TangentTests.cases)
  func shownLayers(_ example: TangentTests.Case) throws {
    var network = try ArrayNetwork<Double>(example.network())
    network.isTraining = true
    let description = network.network.description
    let (inputs, labels) = network.examples(3, seed: 1, vocabulary: example.vocabulary)
    var seen: [Int: [Double]] = [:]
    let collector = LayerCollector<Double>(
      weights: { layer in
        guard
          let form = description.kroneckerLayers.first(where: {
            $0.elements.lowerBound == layer.first
          })
        else {
          Issue.record("weights at \(layer.first) without factors")
          return
        }
        let rows = layer.examples * layer.positions
        #expect(layer.positions == form.positions && layer.inputs.width == form.inputs)
        #expect(layer.outputGradients.count == rows * form.outputs)
        var product = [Double](repeating: 0, count: form.elements.count)
        if case .dense(let x, let width) = layer.inputs {
          for row in 0..<rows {
            for o in 0..<form.outputs {
              for i in 0..<width {
                product[o * width + i] +=
                  layer.outputGradients[row * form.outputs + o] * x[row * width + i]
              }
            }
          }
        } else {
          product = []
        }
        #expect(seen.updateValue(product, forKey: layer.first) == nil)
      },
      blocks: { block in
        let count = block.gradients.count / block.examples
        let sum = (0..<count).map { i in
          (0..<block.examples).reduce(0) { $0 + block.gradients[$1 * count + i] }
        }
        #expect(seen.updateValue(sum, forKey: block.first) == nil)
      })
    let gradient = network.lossAndGradient(
      inputs, labels, network.initialized(seed: 1), .crossEntropy(), collector: collector
    ).gradient
    let places =
      description.kroneckerLayers.map(\.elements) + description.parameterBlocks.map(\.elements)
    #expect(seen.keys.sorted() == places.map(\.lowerBound).sorted())
    let scale = gradient.reduce(0) { max($0, $1.magnitude) }
    for place in places {
      guard let sum = seen[place.lowerBound], !sum.isEmpty else { continue }
      #expect(sum.count == place.count)
      for (one, other) in zip(sum, gradient[place]) {
        // Roundings of a few hundred products.
        #expect((one - other).magnitude <= 1e-13 * scale)
      }
    }
  }

  private func expectGradients(
    _ description: NetworkDescription, vocabulary: Int?, weights: Int
  ) throws {
    var network = try ArrayNetwork<Double>(description)
    network.isTraining = true
    let (inputs, labels) = network.examples(3, seed: 1, vocabulary: vocabulary)
    let parameters = network.initialized(seed: 1)
    let silent = network.lossAndGradient(inputs, labels, parameters, .crossEntropy()).gradient
    var products: [Int: [Double]] = [:]
    var examples: [Int: Int] = [:]
    let collector = LayerCollector<Double> { layer in
      let tensor = description.layout.tensors[layer.weight]
      let rows = layer.examples * layer.positions
      let dy = layer.outputGradients
      examples[layer.weight, default: 0] += layer.examples
      var product =
        products[layer.weight] ?? [Double](repeating: 0, count: tensor.range.count)
      func add(_ x: UnsafePointer<Double>, places: [Int32]?) {
        let (outputs, width) = (tensor.shape[0], tensor.range.count / tensor.shape[0])
        #expect(layer.inputs.width == width && dy.count == rows * outputs)
        for row in 0..<rows {
          for o in 0..<outputs {
            for i in 0..<width {
              let place = places.map { Int($0[i]) } ?? i
              product[o * width + i] += dy[row * outputs + o] * x[row * width + place]
            }
          }
        }
      }
      switch layer.inputs {
      case .dense(let x, _): add(x, places: nil)
      case .images(let x, let window):
        let patches = Buffer<Double>(count: rows * window.patchCount)
        Double.patches(window, rows: 0..<rows, of: x, into: patches.pointer)
        add(patches.pointer, places: window.patchPlaces)
      case .tokens(let tokens, let vocabulary):
        let width = tensor.shape[1]
        #expect(vocabulary == tensor.shape[0] && dy.count == rows * width)
        for row in 0..<rows {
          for i in 0..<width { product[Int(tokens[row]) * width + i] += dy[row * width + i] }
        }
      }
      products[layer.weight] = product
    }
    let gradient = network.lossAndGradient(
      inputs, labels, parameters, .crossEntropy(), collector: collector
    ).gradient
    #expect(gradient == silent)
    #expect(products.count == weights)
    for (weight, product) in products {
      let range = description.layout.tensors[weight].range
      #expect(largestRelativeError(product, to: Array(gradient[range])) <= 1e-12)
      #expect(examples[weight] == 3)
    }
  }

  @Test("running statistics follow the micro-batches") func runningStatistics() throws {
    let description = try NetworkDescription(
      input: [2], layers: [.batchNorm(momentum: 0.25), .linear(inputs: 2, outputs: 2)])
    #expect(description.stateLayout.tensors.map(\.name) == ["0.running_mean", "0.running_var"])
    var network = try ArrayNetwork<Double>(description)
    #expect(network.state == [0, 0, 1, 1])
    network.isTraining = true
    let parameters = network.initialized(seed: 0)
    // The columns are 1, 2, 6 and 0, 0, 3: means 3 and 1, variances over count − 1 of 7 and 3.
    _ = network.lossAndGradient([1, 0, 2, 0, 6, 3], [0, 1, 0], parameters, .crossEntropy())
    #expect(largestRelativeError(Array(network.statistics.all), to: [3, 1, 7, 3]) <= 1e-15)
    network.state.withUnsafeMutableBufferPointer {
      network.network.update(
        state: $0, towards: UnsafeBufferPointer(network.statistics.all))
    }
    #expect(largestRelativeError(network.state, to: [0.75, 0.25, 2.5, 1.5]) <= 1e-15)
  }

  /// The mean is far from 0 relative to the spread: single precision must keep its digits.
  @Test("batch norm keeps its digits far from zero") func batchNormDigits() throws {
    let description = try NetworkDescription(
      input: [1, 40, 40],
      layers: [.batchNorm, .flatten, .linear(inputs: 1600, outputs: 2)])
    var network = try ArrayNetwork<Float>(description)
    network.isTraining = true
    let inputs = network.examples(4, seed: 3).inputs.map { 1000 + $0 }
    _ = network.lossAndGradient(
      inputs, [0, 1, 0, 1], network.initialized(seed: 0), .crossEntropy())
    let exact = inputs.map { Double($0) }
    let mean = exact.reduce(0, +) / Double(exact.count)
    let variance =
      exact.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(exact.count - 1)
    #expect(largestRelativeError(Array(network.statistics.all), to: [mean, variance]) <= 1e-6)
    #expect((Double(network.statistics.pointer[1]) / variance - 1).magnitude <= 1e-4)
  }

  /// The ReLU reads the block's input, not the batch norm before it in the list.
  @Test("a shortcut's ReLU reads the block's input") func shortcutReLU() throws {
    let network = try ArrayNetwork<Double>(
      NetworkDescription(
        input: [1, 1, 3],
        layers: [
          .conv2d(inputs: 1, outputs: 1, kernel: 1, bias: false),
          .add([.batchNorm], shortcut: .relu), .flatten,
          .linear(inputs: 3, outputs: 3, bias: false),
        ]))
    // Weights 1, γ = 1, β = −1, and the unit matrix; running statistics 0 and 1.
    let parameters = [1.0, 1, -1, 1, 0, 0, 0, 1, 0, 0, 0, 1]
    let outputs = network.outputs([-2, 0.5, 3], parameters)
    #expect(largestRelativeError(outputs, to: [-3, 0, 5]) <= 1e-5)
  }

  @Test("a single output is classified by its loss's threshold") func singleOutput() throws {
    let network = try ArrayNetwork<Float>(
      NetworkDescription(input: [1], layers: [.linear(inputs: 1, outputs: 1, bias: false)]))
    let inputs: [Float] = [-0.2, 0.3, 0.7]
    #expect(network.evaluate(inputs, [0, 0, 1], [1], .meanSquaredError).correct == 3)
    #expect(network.evaluate(inputs, [0, 1, 1], [1], .binaryCrossEntropy).correct == 3)
  }

  /// Dropout depends on the example's place in the batch, for any cut into micro-batches.
  @Test("dropout does not depend on the micro-batches") func dropoutCut() throws {
    let description = try NetworkDescription(
      input: [7], layers: [.dropout(0.5), .linear(inputs: 7, outputs: 1, bias: false)])
    let network = try Network<Float>(description, maximumBatch: 4)
    let (ones, weights) = ([Float](repeating: 1, count: 28), (0..<7).map { Float(1 << $0) })
    func outputs(_ examples: Range<Int>) -> [Float] {
      var outputs = [Float](repeating: 0, count: examples.count)
      let pass = TrainingPass<Float>(
        statistics: UnsafeMutableBufferPointer(start: nil, count: 0), seed: 3, step: 5,
        firstExample: examples.lowerBound)
      ones[0..<7 * examples.count].withUnsafeBufferPointer { inputs in
        weights.withUnsafeBufferPointer { weights in
          outputs.withUnsafeMutableBufferPointer {
            network.forward(inputs: inputs, parameters: weights, outputs: $0, training: pass)
          }
        }
      }
      return outputs
    }
    #expect(outputs(0..<4) == outputs(0..<1) + outputs(1..<4))
    #expect(Set(outputs(0..<4)).count > 1)
  }

  @Test("dropout depends on the step and keeps the mean") func dropoutStep() throws {
    let description = try NetworkDescription(
      input: [4000], layers: [.dropout(0.25), .linear(inputs: 4000, outputs: 1, bias: false)])
    var network = try ArrayNetwork<Float>(description)
    let (ones, weights) = ([Float](repeating: 1, count: 4000), [Float](repeating: 1, count: 4000))
    #expect(network.outputs(ones, weights) == [4000])
    network.isTraining = true
    let kept = network.outputs(ones, weights)[0] * 0.75
    // 3000 of 4000 remain, with a standard deviation of 27.
    #expect((kept - 3000).magnitude <= 4 * 27.4)
    #expect(network.outputs(ones, weights)[0] * 0.75 == kept)
    network.step = 1
    #expect(network.outputs(ones, weights)[0] * 0.75 != kept)
    // The gradient of each weight is its kept input.
    let gradient = network.lossAndGradient(ones, [0], weights, .binaryCrossEntropy).gradient
    let share = gradient.filter { $0 != 0 }.count
    #expect((Double(share) - 3000).magnitude <= 4 * 27.4)
    #expect(Set(gradient).count == 2)
  }
}
