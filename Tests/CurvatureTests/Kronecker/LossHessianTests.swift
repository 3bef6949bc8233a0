import Curvature
import Glibc
import LinearAlgebra
import Networks
import Reference
import Testing

/// Compares the vectors ▲ with the losses' own Hessians, and factors of sums with factors of means.
@Suite struct LossHessianTests {
  static let losses: [Loss] = [
    .crossEntropy(), .crossEntropy(labelSmoothing: 0.3), .meanSquaredError, .binaryCrossEntropy,
  ]

  /// Returns a network whose outputs are its biases: the loss's gradient by the biases is that by
  /// the outputs.
  private func biases(
    _ loss: Loss, outputs: Int
  ) throws -> (CurvatureNetwork, gradient: ([Double], Double) -> [Double]) {
    let network = try CurvatureNetwork(
      [1], [.linear(inputs: 1, outputs: outputs)], loss, examples: 1)
    network.inputs = [0]
    return (
      network,
      { z, scale in
        network.parameters.replaceSubrange(outputs..<2 * outputs, with: z)
        var gradient = [Double](repeating: .nan, count: 2 * outputs)
        gradient.withUnsafeMutableBufferPointer { gradient in
          network.withTargets(0..<1) { targets in
            network.withBuffers(network.inputs) { inputs, parameters, state in
              _ = network.network.lossAndGradient(
                inputs: inputs, targets: targets, parameters: parameters, state: state,
                gradient: gradient, loss: loss, scale: scale)
            }
          }
        }
        return Array(gradient[outputs...])
      }
    )
  }

  private func vectors(_ fisher: Fisher, _ loss: Loss, _ z: [Double]) -> [[Double]] {
    let vectors = FisherVectors<Double>(fisher, of: loss, predictions: 1, outputs: z.count)
    return (0..<vectors.columns).map { column in
      var vector = [Double](repeating: .nan, count: z.count)
      z.withUnsafeBufferPointer { z in
        vector.withUnsafeMutableBufferPointer {
          vectors.fill(
            column, z, into: $0, targets: nil, seed: 5, step: 2, firstPrediction: 11)
        }
      }
      return vector
    }
  }

  /// R S Sᵀ is the Hessian, taken from differences of the loss's own gradient at a step whose
  /// fourth power is 1e-12. For a mean over N·positions predictions it is N·positions times
  /// smaller.
  @Test("R S Sᵀ equals the Hessian of the loss", arguments: 1...4)
  func hessianRoots(outputs: Int) throws {
    for loss in Self.losses {
      let (_, gradient) = try biases(loss, outputs: outputs)
      let z = (0..<outputs).map { 0.7 * Double($0) - 0.4 }
      let columns = vectors(.type2, loss, z)
      for (reduction, predictions) in [(LossReduction.mean, 6), (.mean, 1), (.sum, 6)] {
        // The loss is computed as a mean over its outputs; a sum is that times the number of
        // outputs.
        let scale =
          switch (reduction, loss) {
          case (.mean, _): 1 / Double(predictions)
          case (.sum, .crossEntropy): 1.0
          case (.sum, _): Double(outputs)
          }
        let hessian = differences(of: { gradient($0, scale) }, at: z, step: 1e-3)
        let factor = loss.reductionFactor(reduction, predictions: predictions, outputs: outputs)
        let largest = hessian.joined().map(\.magnitude).max()!
        for i in 0..<outputs {
          for j in 0..<outputs {
            let product = factor * columns.reduce(0) { $0 + $1[i] * $1[j] }
            // A single class has no curvature.
            #expect((product - hessian[i][j]).magnitude <= 1e-10 * max(largest, 1))
          }
        }
      }
    }
  }

  /// Checks the reference's Hessians, from which other tests build their dense matrices.
  @Test("the reference's Hessians equal S Sᵀ") func referenceHessians() {
    let z = [0.3, -0.2, 1.1]
    for (loss, hessian) in [
      (Loss.crossEntropy(), OutputHessian.crossEntropy(z)),
      (.meanSquaredError, OutputHessian.squaredError(z)),
      (.binaryCrossEntropy, OutputHessian.binaryCrossEntropy(z)),
    ] {
      let columns = vectors(.type2, loss, z)
      let product = DenseMatrix(rows: 3, columns: 3) { i, j in
        columns.reduce(0) { $0 + $1[i] * $1[j] }
      }
      #expect(product.relativeDistance(to: hessian) <= 1e-14)
    }
  }

  /// Expects the criterion's own gradients by the outputs, whatever training divides its loss by: z
  /// − t for half the squared error, σ(z) − t, and softmax(z) − q.
  @Test("empirical vectors are the criterion's gradients", arguments: [1, 3])
  func empiricalVectors(outputs: Int) {
    let z = (0..<outputs).map { 0.7 * Double($0) - 0.4 }
    let values = (0..<outputs).map { Double(1 - $0 % 2) }
    let exponentials = z.map { exp($0) }
    for (loss, predictions) in [
      (Loss.meanSquaredError, z), (.binaryCrossEntropy, z.map { 1 / (1 + exp(-$0)) }),
      (.crossEntropy(), exponentials.map { $0 / exponentials.reduce(0, +) }),
    ] {
      let vectors = FisherVectors<Double>(.empirical, of: loss, predictions: 1, outputs: outputs)
      var vector = [Double](repeating: .nan, count: outputs)
      func fill(_ targets: Targets<Double>) {
        z.withUnsafeBufferPointer { z in
          vector.withUnsafeMutableBufferPointer {
            vectors.fill(0, z, into: $0, targets: targets, seed: 0, step: 0, firstPrediction: 0)
          }
        }
      }
      if case .crossEntropy = loss {
        [Int32(0)].withUnsafeBufferPointer { fill(.classes($0)) }
      } else {
        values.withUnsafeBufferPointer { fill(.values($0)) }
      }
      for i in 0..<outputs {
        let target = loss == .crossEntropy() ? (i == 0 ? 1 : 0) : values[i]
        #expect((vector[i] - (predictions[i] - target)).magnitude <= 1e-15)
      }
    }
  }

  @Test("the second moment of drawn vectors is the Hessian") func drawnVectors() {
    let z = [0.3, -0.2, 1.1]
    for (loss, hessian) in [
      (Loss.crossEntropy(labelSmoothing: 0.2), OutputHessian.crossEntropy(z)),
      (.meanSquaredError, OutputHessian.squaredError(z)),
      (.binaryCrossEntropy, OutputHessian.binaryCrossEntropy(z)),
    ] {
      // The sum of 40,000 products, each divided by 40,000, and their mean, near 0: 1 % with a
      // spread of 2.
      let columns = vectors(.monteCarlo(samples: 40_000), loss, z)
      let product = DenseMatrix(rows: 3, columns: 3) { i, j in
        columns.reduce(0) { $0 + $1[i] * $1[j] }
      }
      #expect(product.relativeDistance(to: hessian) <= 0.03)
      for i in 0..<3 {
        let mean = columns.reduce(0) { $0 + $1[i] } / 200
        #expect(mean.magnitude <= 0.02)
      }
    }
  }

  /// The mean is the sum divided by N × positions × outputs, according to the loss; A holds the
  /// whole factor.
  @Test("factors of a mean loss are those of a sum over the count") func meanFactors() throws {
    for loss in Self.losses {
      let network = try CurvatureNetwork(
        [5, 3], [.linear(inputs: 3, outputs: 4), .tanh, .linear(inputs: 4, outputs: 2)], loss,
        examples: 6)
      let count = if case .crossEntropy = loss { 6.0 * 5 } else { 6.0 * 5 * 2 }
      for fisher in [Fisher.type2, .monteCarlo(samples: 2), .empirical, .forwardOnly] {
        for axis in SharedAxis.allCases {
          let means = network.factors(fisher, axis)
          let sums = network.factors(fisher, axis, reduction: .sum)
          for (mean, sum) in zip(means, sums) {
            let scaled = DenseMatrix(rows: sum.a.rows, columns: sum.a.rows) {
              sum.a[$0, $1] / count
            }
            #expect(mean.a.relativeDistance(to: scaled) <= 1e-14)
            #expect(mean.b == sum.b)
          }
        }
      }
    }
  }
}
