import LinearAlgebra
import Networks
import RandomNumbers

/// A network called with arrays.
struct ArrayNetwork<Element: Scalar> {
  let network: Network<Element>

  init(_ description: NetworkDescription, maximumBatch: Int = 4) throws {
    network = try Network(description, maximumBatch: maximumBatch)
  }

  func initialized(seed: UInt64) -> [Element] {
    var parameters = [Element](repeating: .nan, count: network.parameterCount)
    parameters.withUnsafeMutableBufferPointer { network.initialize($0, seed: seed) }
    return parameters
  }

  func outputs(_ inputs: [Element], _ parameters: [Element]) -> [Element] {
    let count = inputs.count / network.inputCount * network.outputCount
    var outputs = [Element](repeating: .nan, count: count)
    inputs.withUnsafeBufferPointer { inputs in
      parameters.withUnsafeBufferPointer { parameters in
        outputs.withUnsafeMutableBufferPointer {
          network.forward(inputs: inputs, parameters: parameters, outputs: $0)
        }
      }
    }
    return outputs
  }

  func lossAndGradient(
    _ inputs: [Element], _ labels: [Int32], _ parameters: [Element], _ loss: Loss,
    scale: Element = 1
  ) -> (loss: Double, gradient: [Element]) {
    // Not a number where the network leaves a place out.
    var gradient = [Element](repeating: .nan, count: network.parameterCount)
    let sum = inputs.withUnsafeBufferPointer { inputs in
      labels.withUnsafeBufferPointer { labels in
        parameters.withUnsafeBufferPointer { parameters in
          gradient.withUnsafeMutableBufferPointer {
            network.lossAndGradient(
              inputs: inputs, labels: labels, parameters: parameters, gradient: $0, loss: loss,
              scale: scale)
          }
        }
      }
    }
    return (sum, gradient)
  }

  func evaluate(
    _ inputs: [Element], _ labels: [Int32], _ parameters: [Element], _ loss: Loss
  ) -> (lossSum: Double, correct: Int) {
    inputs.withUnsafeBufferPointer { inputs in
      labels.withUnsafeBufferPointer { labels in
        parameters.withUnsafeBufferPointer { parameters in
          network.evaluate(inputs: inputs, labels: labels, parameters: parameters, loss: loss)
        }
      }
    }
  }

  /// Inputs uniform in [−1, 1) and labels for `examples` examples.
  func examples(_ examples: Int, seed: UInt64) -> (inputs: [Element], labels: [Int32]) {
    let random = CounterRandom(seed: seed, stream: 1)
    let labels = CounterRandom(seed: seed, stream: 2)
    return (
      (0..<examples * network.inputCount).map { Element(2 * random.uniform(at: UInt64($0)) - 1) },
      (0..<examples).map {
        Int32(labels.integer(below: network.outputCount, at: UInt64($0)))
      }
    )
  }
}

/// max |a − b| over max |b|; not a number if any element is not.
func relativeError<Element: BinaryFloatingPoint>(_ a: [Element], _ b: [Double]) -> Double {
  precondition(a.count == b.count)
  let scale = b.reduce(0) { max($0, $1.magnitude) }
  let error = zip(a, b).reduce(0) { worst, pair in
    let difference = (Double(pair.0) - pair.1).magnitude
    return worst.isNaN || difference <= worst ? worst : difference
  }
  return error / scale
}
