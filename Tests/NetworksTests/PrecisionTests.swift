import Foundation
import LinearAlgebra
import Networks
import Support
import Testing

@Suite struct PrecisionTests {
  @Test("loss and gradient in single precision follow those in double", arguments: Loss.all)
  func singleFollowsDouble(loss: Loss) throws {
    for description in [
      try NetworkDescription.mlp(input: [1, 8, 8], classes: 10),
      try NetworkDescription.cnn(input: [3, 12, 12], classes: 10),
    ] {
      let double = try ArrayNetwork<Double>(description)
      let single = try ArrayNetwork<Float>(description)
      let parameters = single.initialized(seed: 4)
      let (inputs, labels) = single.examples(4, seed: 4)
      let exact = double.lossAndGradient(
        inputs.map { Double($0) }, labels, parameters.map { Double($0) }, loss)
      let rounded = single.lossAndGradient(inputs, labels, parameters, loss)
      // Sums of up to a few hundred products, rounded at 6e-8.
      #expect((rounded.loss - exact.loss).magnitude <= 1e-6 * exact.loss)
      #expect(largestRelativeError(rounded.gradient, to: exact.gradient) <= 5e-6)
      #expect(rounded.gradient.map { Double($0) } != exact.gradient)
    }
  }

  /// Compares values and derivatives of the single-precision loops with those of the C library in
  /// double.
  @Test("activations and their derivatives are accurate", arguments: Activation.allCases)
  func accurateActivations(_ activation: Activation) {
    let x =
      stride(from: Float(-20), through: 20, by: 0.0037).map { $0 }
      + [0, 1e-30, -1e-30, 1e-6, -1e-6, 90, -90, 1e30, -1e30]
    var y = [Float](repeating: .nan, count: x.count)
    Float.activate(activation, count: x.count, x, into: &y)
    let ones = [Float](repeating: 1, count: x.count)
    var slopes = [Float](repeating: .nan, count: x.count)
    Float.activationGradient(
      activation, count: x.count, kept: activation.derivesFromOutput ? y : x, ones,
      into: &slopes)
    for (index, single) in x.enumerated() {
      let x = Double(single)
      let value: Double
      let slope: Double
      switch activation {
      case .relu: (value, slope) = (max(x, 0), x > 0 ? 1 : 0)
      case .tanh: (value, slope) = (Foundation.tanh(x), 1 - Foundation.tanh(x) * Foundation.tanh(x))
      case .sigmoid:
        let e = exp(-x.magnitude)
        (value, slope) = ((x < 0 ? e : 1) / (1 + e), e / ((1 + e) * (1 + e)))
      case .gelu:
        let below = 0.5 * erfc(-x * 0.5.squareRoot())
        value = x * below
        slope = below + x * exp(-0.5 * x * x) / (2 * Double.pi).squareRoot()
      case .silu:
        let e = exp(-x.magnitude)
        let share = (x < 0 ? e : 1) / (1 + e)
        (value, slope) = (x * share, share + x * e / ((1 + e) * (1 + e)))
      }
      // A few roundings at 6e-8, relative to the value. The bound is relative to 1 for GELU's lower
      // tail, a difference from 1, and for all derivatives, which are products with such
      // differences.
      let error = (Double(y[index]) - value).magnitude
      let scale = activation == .gelu ? max(1, value.magnitude) : value.magnitude
      #expect(error <= 4e-7 * scale + 1e-37, "\(activation)(\(x))")
      #expect((Double(slopes[index]) - slope).magnitude <= 1e-6, "\(activation)′(\(x))")
    }
  }
}
