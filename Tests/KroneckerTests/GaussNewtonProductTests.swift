import LinearAlgebra
import Networks
import RandomNumbers
import Reference
import Testing

/// vᵀ G w from two tangents against the dense Gauss–Newton matrix.
@Suite struct GaussNewtonProductTests {
  @Test func tangentsGiveTheQuadraticForm() throws {
    for loss in [Loss.crossEntropy(labelSmoothing: 0.1), .meanSquaredError, .binaryCrossEntropy] {
      let layers: [LayerDescription] = [
        .linear(inputs: 3, outputs: 4), .tanh, .add([.attention(heads: 2)]),
        .linear(inputs: 4, outputs: 3),
      ]
      let network = try CurvatureNetwork([4, 3], layers, loss, examples: 3)
      let random = CounterRandom(seed: 2, stream: 9)
      let count = network.parameters.count
      let directions = (0..<2).map { k in
        (0..<count).map { random.normal(at: UInt64(k * count + $0)) }
      }
      let z = network.outputs()
      let tangents = directions.map { direction in
        var tangent = [Double](repeating: .nan, count: z.count)
        direction.withUnsafeBufferPointer { direction in
          tangent.withUnsafeMutableBufferPointer { tangent in
            network.withBuffers(network.inputs) { inputs, parameters, state in
              network.network.tangent(
                inputs: inputs, parameters: parameters, state: state, direction: direction,
                outputTangents: tangent)
            }
          }
        }
        return tangent
      }
      for reduction in [LossReduction.mean, .sum] {
        let matrix = network.gaussNewton(reduction)
        let factor = loss.reductionFactor(reduction, predictions: 12, outputs: 3)
        for (i, j) in [(0, 0), (0, 1), (1, 1)] {
          let expected = zip(directions[i], matrix * directions[j]).reduce(0) { $0 + $1.0 * $1.1 }
          let product = z.withUnsafeBufferPointer { z in
            tangents[i].withUnsafeBufferPointer { u in
              tangents[j].withUnsafeBufferPointer {
                factor * loss.curvatureProduct(outputs: 3, z, u, $0)
              }
            }
          }
          #expect((product - expected).magnitude <= 1e-10 * max(1, expected.magnitude))
        }
      }
    }
  }
}
