import Networks
import Support
import Testing

/// Compares networks with PyTorch in double precision; `TorchLayers.swift` holds the output of
/// `torch-layers.py`.
@Suite struct TorchTests {
  struct Case: Sendable, CustomTestStringConvertible {
    let testDescription: String
    let input: [Int]
    let layers: [LayerDescription]
    let loss: Double
    let outputs: [Double]
    let gradient: [Double]
  }

  /// Returns fractions with few digits.
  private func numbers(_ count: Int, _ factor: Int, _ modulus: Int, _ divisor: Double) -> [Double] {
    (0..<count).map { Double($0 * factor % modulus - modulus / 2) / divisor }
  }

  /// The loss is the mean squared error over the outputs, summed over two examples.
  @Test("layers give PyTorch's outputs and gradients", arguments: cases)
  func torchLayers(_ example: Case) throws {
    let network = try ArrayNetwork<Double>(
      try NetworkDescription(input: example.input, layers: example.layers))
    let parameters = numbers(network.network.parameterCount, 53, 97, 64)
    let inputs = numbers(2 * network.network.inputCount, 37, 101, 32)
    let outputs = network.outputs(inputs, parameters)
    // A few hundred sums of products of the order of 1, in either's order.
    #expect(relativeError(outputs, to: example.outputs) <= 1e-14)
    let targets = numbers(outputs.count, 29, 89, 32)
    let (loss, gradient) = targets.withUnsafeBufferPointer {
      network.lossAndGradient(inputs, .values($0), parameters, .meanSquaredError)
    }
    #expect((loss - example.loss).magnitude <= 1e-14 * example.loss)
    #expect(relativeError(gradient, to: example.gradient) <= 1e-14)
  }
}
