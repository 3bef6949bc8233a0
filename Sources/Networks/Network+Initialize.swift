import LinearAlgebra
import RandomNumbers

extension Network {
  /// PyTorch's default: weights and biases uniform in ±1/√(fan-in of their layer).
  ///
  /// A pure function of the seed: element i of tensor t is number i of stream t.
  public func initialize(_ parameters: UnsafeMutableBufferPointer<Element>, seed: UInt64) {
    precondition(
      parameters.count == parameterCount, "\(parameters.count) parameters, not \(parameterCount)")
    for (stream, tensor) in layout.tensors.enumerated() {
      let random = CounterRandom(seed: seed, stream: UInt64(stream))
      let bound = 1 / Double(tensor.fanIn).squareRoot()
      for (index, place) in tensor.range.enumerated() {
        parameters[place] = Element((2 * random.uniform(at: UInt64(index)) - 1) * bound)
      }
    }
  }
}
