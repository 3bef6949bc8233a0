import Foundation
import Networks
import RandomNumbers
import Testing

@Suite struct HessianFormTests {
  static let outputCounts = [1, 2, 5, 40]

  /// Returns the Hessian of one example's loss by its outputs, from differences of the gradient.
  ///
  /// The gradient is that of the bias of a layer whose outputs are its inputs plus the bias. With
  /// differences of fourth order and a step of 1e-3 the errors are about f⁽⁵⁾·1e-12/30 and
  /// 1e-16/1e-3.
  func hessian(_ loss: Loss, at z: [Double]) throws -> [[Double]] {
    let count = z.count
    let network = try ArrayNetwork<Double>(
      NetworkDescription(input: [count], layers: [.linear(inputs: count, outputs: count)]))
    func gradient(along axis: Int, _ distance: Double) -> [Double] {
      var parameters = (0..<count * count).map { $0 / count == $0 % count ? 1.0 : 0 }
      parameters += (0..<count).map { $0 == axis ? distance : 0 }
      return Array(
        network.lossAndGradient(z, [0], parameters, loss).gradient.suffix(count))
    }
    let step = 1e-3
    return (0..<count).map { axis in
      let near = zip(gradient(along: axis, step), gradient(along: axis, -step)).map { $0 - $1 }
      let far = zip(gradient(along: axis, 2 * step), gradient(along: axis, -2 * step)).map {
        $0 - $1
      }
      return zip(near, far).map { (8 * $0 - $1) / (12 * step) }
    }
  }

  func randoms(_ count: Int, _ stream: UInt64) -> [Double] {
    let random = CounterRandom(seed: 3, stream: stream)
    return (0..<count).map { 4 * random.uniform(at: UInt64($0)) - 2 }
  }

  @Test("the form equals that of the dense Hessian", arguments: Loss.all, outputCounts)
  func denseHessian(_ loss: Loss, outputCount: Int) throws {
    let (predictions, count) = (3, 3)
    let z = randoms(predictions * outputCount, 1)
    let tangents = (0..<count).map { randoms(predictions * outputCount, UInt64(2 + $0)) }
    let form = loss.hessianForm(z, outputCount, tangents)
    var expected = [Double](repeating: 0, count: count * count)
    for prediction in 0..<predictions {
      let local = prediction * outputCount..<(prediction + 1) * outputCount
      let hessian = try hessian(loss, at: Array(z[local]))
      for i in 0..<count {
        for j in 0..<count {
          for (a, row) in hessian.enumerated() {
            for (b, element) in row.enumerated() {
              expected[i * count + j] +=
                tangents[i][local.lowerBound + a] * element * tangents[j][local.lowerBound + b]
            }
          }
        }
      }
    }
    let scale = (0..<count).map { form[$0 * count + $0] }.max()!
    // A single class has no loss.
    let isFlat = outputCount == 1 && loss != .meanSquaredError && loss != .binaryCrossEntropy
    #expect(isFlat ? scale == 0 : scale > 0.1)
    #expect(zip(form, expected).allSatisfy { ($0 - $1).magnitude <= 1e-10 * max(scale, 1) })
    for i in 0..<count {
      for j in 0..<count { #expect(form[i * count + j] == form[j * count + i]) }
    }
    let single = loss.hessianForm(
      z.map { Float($0) }, outputCount, tangents.map { $0.map { Float($0) } })
    // The arguments alone are rounded, at 6e-8.
    #expect(zip(single, form).allSatisfy { ($0 - $1).magnitude <= 1e-6 * max(scale, 1) })
  }

  @Test("the form is finite for huge outputs", arguments: Loss.all)
  func hugeOutputs(_ loss: Loss) {
    let tangent = [1.0, 2, 3]
    let form = loss.hessianForm([1e6, 0, -1e6], 3, [tangent])
    switch loss {
    case .crossEntropy: #expect(form == [0])
    case .meanSquaredError: #expect((form[0] - 28.0 / 3).magnitude <= 1e-14)
    // The second derivative of the loss is 1/4 at output 0.
    case .binaryCrossEntropy: #expect((form[0] - 1.0 / 3).magnitude <= 1e-15)
    }
    // Equal changes of all outputs leave softmax unchanged, exactly.
    if case .crossEntropy = loss {
      #expect(loss.hessianForm([0.1, 0.2, 0.3], 3, [[4e8, 4e8, 4e8]])[0] <= 1e-10)
    }
    #expect(loss.hessianForm([Double](), 3, [[], []]) == [0, 0, 0, 0])
    #expect(loss.hessianForm([0.0, 1, 2], 3, []) == [])
  }

  /// The Gauss–Newton form is the loss's Hessian for outputs that are linear in the parameters.
  @Test("the form is the second derivative of a linear model's loss", arguments: Loss.all)
  func linearModel(_ loss: Loss) throws {
    let network = try ArrayNetwork<Double>(
      NetworkDescription(input: [4], layers: [.linear(inputs: 4, outputs: 3)]))
    let (inputs, labels) = network.examples(4, seed: 5)
    let parameters = network.initialized(seed: 5)
    let direction = randoms(parameters.count, 9)
    let (outputs, tangents) = network.outputTangents(inputs, parameters, [direction])
    func total(_ distance: Double) -> Double {
      network.evaluate(
        inputs, labels, zip(parameters, direction).map { $0 + distance * $1 }, loss
      ).lossSum
    }
    // The errors are about f⁽⁶⁾·1e-8/90 and 1e-16·f/1e-4.
    let step = 1e-2
    let second =
      (16 * (total(step) + total(-step)) - (total(2 * step) + total(-2 * step)) - 30 * total(0))
      / (12 * step * step)
    let form = loss.hessianForm(outputs, 3, tangents)
    #expect((form[0] - second).magnitude <= 1e-6 * second)
  }
}
