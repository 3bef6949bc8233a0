import Foundation
import Networks
import Testing

@Suite struct LossTests {
  /// Returns a network whose outputs are its inputs.
  func identity(_ count: Int) throws -> (ArrayNetwork<Double>, [Double]) {
    let network = try ArrayNetwork<Double>(
      NetworkDescription(
        input: [count], layers: [.linear(inputs: count, outputs: count, bias: false)]))
    return (network, (0..<count * count).map { $0 / count == $0 % count ? 1 : 0 })
  }

  @Test("cross-entropy is summed over the examples") func crossEntropySum() throws {
    let (network, parameters) = try identity(3)
    let inputs = [1.0, 2, 3, -1, 0, 4]
    let result = network.evaluate(inputs, [0, 2], parameters, .crossEntropy())
    let first = log(exp(1.0) + exp(2) + exp(3)) - 1
    let second = log(exp(-1.0) + exp(0) + exp(4)) - 4
    #expect((result.lossSum - (first + second)).magnitude <= 1e-14)
    #expect(result.correct == 1)
  }

  @Test("cross-entropy of huge outputs is finite") func hugeOutputs() throws {
    let (network, parameters) = try identity(3)
    let result = network.lossAndGradient([1e6, 0, -1e6], [1], parameters, .crossEntropy())
    #expect(result.loss == 1e6)
    // (softmax − onehot) xᵀ with softmax (1, 0, 0).
    #expect(result.gradient == [1e6, 0, -1e6, -1e6, 0, 1e6, 0, 0, 0])
    let single = try ArrayNetwork<Float>(network.network.description)
    let gradient = single.lossAndGradient(
      [1e4, 0, -1e4], [1], parameters.map { Float($0) }, .crossEntropy())
    #expect(gradient.loss == 1e4)
    #expect(gradient.gradient == [1e4, 0, -1e4, -1e4, 0, 1e4, 0, 0, 0])
  }

  @Test("the squared error is a mean over the outputs") func squaredErrorMean() throws {
    let (network, parameters) = try identity(2)
    let result = network.lossAndGradient([3, -1, 0.5, 0.5], [0, 1], parameters, .meanSquaredError)
    // y − t is (2, −1) and (0.5, −0.5).
    #expect(result.loss == 2.75)
    // Σ over examples of (y − t) xᵀ.
    #expect(result.gradient == [6.25, -1.75, -3.25, 0.75])
  }

  @Test("the scale applies to the gradient, not to the loss") func gradientScale() throws {
    let network = try ArrayNetwork<Double>(.mlp(input: [1, 3, 3], classes: 4))
    let (inputs, labels) = network.examples(4, seed: 2)
    let parameters = network.initialized(seed: 2)
    for loss in Loss.all {
      let whole = network.lossAndGradient(inputs, labels, parameters, loss, scale: 1)
      // An eighth: every rounding is the same.
      let part = network.lossAndGradient(inputs, labels, parameters, loss, scale: 0.125)
      #expect(part.loss == whole.loss)
      #expect(part.gradient == whole.gradient.map { $0 / 8 })
      #expect(network.evaluate(inputs, labels, parameters, loss).lossSum == whole.loss)
    }
  }

  @Test("among equal outputs the first is the answer") func equalOutputs() throws {
    let (network, parameters) = try identity(3)
    let inputs = [1.0, 5, 5, 0, 0, 0, 2, 1, 2]
    #expect(network.evaluate(inputs, [1, 0, 0], parameters, .crossEntropy()).correct == 3)
    #expect(network.evaluate(inputs, [2, 1, 2], parameters, .crossEntropy()).correct == 0)
  }
}
