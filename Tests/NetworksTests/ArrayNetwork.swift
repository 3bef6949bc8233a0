import LinearAlgebra
import Networks
import RandomNumbers

extension Loss {
  static let all: [Loss] = [
    .crossEntropy(), .crossEntropy(labelSmoothing: 0.1), .meanSquaredError, .binaryCrossEntropy,
  ]

  func hessianForm<Element: Scalar>(
    _ outputs: [Element], _ outputCount: Int, _ tangents: [[Element]]
  ) -> [Double] {
    let all = tangents.flatMap { $0 }
    return outputs.withUnsafeBufferPointer { outputs in
      all.withUnsafeBufferPointer {
        hessianForm(
          outputs: outputs, outputCount: outputCount, tangents: $0, count: tangents.count)
      }
    }
  }
}

/// A network that is called with arrays.
struct ArrayNetwork<Element: Scalar> {
  let network: Network<Element>
  /// Running statistics, initially those of a fresh network.
  var state: [Element]
  var isTraining = false
  /// The batch's place in a training run, and its statistics after a call.
  var step = 0
  let statistics: Buffer<Element>

  init(_ description: NetworkDescription, maximumBatch: Int = 4) throws {
    network = try Network(description, maximumBatch: maximumBatch)
    statistics = Buffer(count: network.stateCount)
    state = [Element](repeating: .nan, count: network.stateCount)
    state.withUnsafeMutableBufferPointer { network.stateLayout.initialize($0) }
  }

  func initialized(seed: UInt64) -> [Element] {
    var parameters = [Element](repeating: .nan, count: network.parameterCount)
    parameters.withUnsafeMutableBufferPointer { network.layout.initialize($0, seed: seed) }
    return parameters
  }

  private var training: TrainingPass<Element>? {
    isTraining
      ? TrainingPass(statistics: statistics.all, seed: 17, step: step, firstExample: 0) : nil
  }

  func outputs(_ inputs: [Element], _ parameters: [Element]) -> [Element] {
    let count = inputs.count / network.inputCount * network.positions * network.outputCount
    var outputs = [Element](repeating: .nan, count: count)
    withBuffers(inputs, parameters) { inputs, parameters, state in
      outputs.withUnsafeMutableBufferPointer {
        network.forward(
          inputs: inputs, parameters: parameters, state: state, outputs: $0, training: training)
      }
    }
    return outputs
  }

  func outputTangents(
    _ inputs: [Element], _ parameters: [Element], _ directions: [[Element]]
  ) -> (outputs: [Element], tangents: [[Element]]) {
    let count = inputs.count / network.inputCount * network.positions * network.outputCount
    var outputs = [Element](repeating: .nan, count: count)
    var tangents = [Element](repeating: .nan, count: directions.count * count)
    let stored = directions.map { direction in
      let buffer = Buffer<Element>(count: direction.count)
      for (i, value) in direction.enumerated() { buffer.pointer[i] = value }
      return buffer
    }
    withBuffers(inputs, parameters) { inputs, parameters, state in
      outputs.withUnsafeMutableBufferPointer { outputs in
        tangents.withUnsafeMutableBufferPointer { tangents in
          network.outputTangents(
            inputs: inputs, parameters: parameters, state: state,
            directions: stored.map { UnsafeBufferPointer($0.all) }, outputs: outputs,
            tangents: tangents, training: training)
        }
      }
    }
    return (
      outputs,
      directions.indices.map { Array(tangents[$0 * count..<($0 + 1) * count]) }
    )
  }

  func lossAndGradient(
    _ inputs: [Element], _ labels: [Int32], _ parameters: [Element], _ loss: Loss,
    scale: Element = 1, collector: LayerCollector<Element>? = nil
  ) -> (loss: Double, gradient: [Element]) {
    labels.withUnsafeBufferPointer {
      lossAndGradient(
        inputs, .classes($0), parameters, loss, scale: scale, collector: collector)
    }
  }

  func lossAndGradient(
    _ inputs: [Element], _ targets: Targets<Element>, _ parameters: [Element], _ loss: Loss,
    scale: Element = 1, collector: LayerCollector<Element>? = nil
  ) -> (loss: Double, gradient: [Element]) {
    // NaN shows any element that the network leaves unwritten.
    var gradient = [Element](repeating: .nan, count: network.parameterCount)
    let sum = withBuffers(inputs, parameters) { inputs, parameters, state in
      gradient.withUnsafeMutableBufferPointer {
        network.lossAndGradient(
          inputs: inputs, targets: targets, parameters: parameters, state: state, gradient: $0,
          loss: loss, scale: scale, training: training, collector: collector)
      }
    }
    return (sum, gradient)
  }

  func evaluate(
    _ inputs: [Element], _ labels: [Int32], _ parameters: [Element], _ loss: Loss
  ) -> (lossSum: Double, correct: Int) {
    withBuffers(inputs, parameters) { inputs, parameters, state in
      labels.withUnsafeBufferPointer {
        network.evaluate(
          inputs: inputs, targets: .classes($0), parameters: parameters, state: state, loss: loss)
      }
    }
  }

  /// Returns inputs uniform in [−1, 1), or tokens, and labels for `examples` examples.
  func examples(
    _ examples: Int, seed: UInt64, vocabulary: Int? = nil
  ) -> (inputs: [Element], labels: [Int32]) {
    let random = CounterRandom(seed: seed, stream: 1)
    let labels = CounterRandom(seed: seed, stream: 2)
    return (
      (0..<examples * network.inputCount).map { index in
        vocabulary.map { Element(random.integer(below: $0, at: UInt64(index))) }
          ?? Element(2 * random.uniform(at: UInt64(index)) - 1)
      },
      (0..<examples * network.positions).map {
        Int32(labels.integer(below: network.outputCount, at: UInt64($0)))
      }
    )
  }

  private func withBuffers<Result>(
    _ inputs: [Element], _ parameters: [Element],
    _ body: (
      UnsafeBufferPointer<Element>, UnsafeBufferPointer<Element>, UnsafeBufferPointer<Element>
    ) -> Result
  ) -> Result {
    inputs.withUnsafeBufferPointer { inputs in
      parameters.withUnsafeBufferPointer { parameters in
        state.withUnsafeBufferPointer { body(inputs, parameters, $0) }
      }
    }
  }
}
