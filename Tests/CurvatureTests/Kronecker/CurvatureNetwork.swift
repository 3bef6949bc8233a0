import Curvature
import LinearAlgebra
import Networks
import RandomNumbers
import Reference
import Training

/// A small network in double precision with a batch; computes its factors and its dense curvature.
final class CurvatureNetwork {
  let network: Network<Double>
  let loss: Loss
  let examples: Int
  var parameters: [Double]
  var state: [Double]
  var inputs: [Double]
  /// The data's targets, used by empirical curvature: labels for cross-entropy, values otherwise.
  let labels: [Int32]
  let values: [Double]

  init(
    _ input: [Int], _ layers: [LayerDescription], _ loss: Loss, examples: Int, seed: UInt64 = 1,
    identical: Bool = false
  ) throws {
    let description = try NetworkDescription(input: input, layers: layers)
    let network = try Network<Double>(description, maximumBatch: examples)
    self.network = network
    self.loss = loss
    self.examples = examples
    let random = CounterRandom(seed: seed, stream: 1)
    parameters = (0..<network.parameterCount).map { 0.6 * random.normal(at: UInt64($0)) }
    var state = [Double](repeating: 0, count: network.stateCount)
    state.withUnsafeMutableBufferPointer { network.stateLayout.initialize($0) }
    self.state = state
    let (positions, outputs) = (network.positions, network.outputCount)
    let data = CounterRandom(seed: seed, stream: 2)
    func number(_ i: Int, of count: Int) -> UInt64 { UInt64(identical ? i % count : i) }
    let width = network.inputCount
    let vocabulary = description.vocabulary
    inputs = (0..<examples * width).map {
      let at = number($0, of: width)
      return vocabulary.map { Double(data.integer(below: $0, at: at)) } ?? data.normal(at: at)
    }
    let targets = CounterRandom(seed: seed, stream: 3)
    labels = (0..<examples * positions).map {
      Int32(targets.integer(below: outputs, at: number($0, of: positions)))
    }
    let count = positions * outputs
    values = (0..<examples * count).map {
      let number = targets.normal(at: 1000 + number($0, of: count))
      return loss == .binaryCrossEntropy ? (number > 0 ? 1 : 0) : number
    }
  }

  // MARK: Factors

  struct Factors {
    let layer: FactoredLayer
    let a: DenseMatrix
    let b: DenseMatrix
    let averages: (a: FactorAverage<Double>, b: FactorAverage<Double>)

    /// B ⊗ A; A ⊗ B for a table.
    var product: DenseMatrix {
      layer.shape.isTable ? .kronecker(a, b) : .kronecker(b, a)
    }
  }

  /// Returns the factors of all layers for the batch, cut into `microBatches` parts.
  func factors(
    _ fisher: Fisher, _ axis: SharedAxis? = nil, reduction: LossReduction = .mean,
    blocks: Bool = true, seed: UInt64 = 7, microBatches: Int = 1
  ) -> [Factors] {
    let statistics = KroneckerStatistics(
      network, loss: loss,
      settings: KroneckerSettings(axis: axis, fisher: fisher, hasNormalizationBlocks: blocks))
    let size = examples / microBatches
    var sum = [Double](repeating: 0, count: statistics.packedCount)
    for microBatch in 0..<microBatches {
      let packed = gather(
        statistics, microBatch * size..<(microBatch + 1) * size, seed: seed)
      for i in sum.indices { sum[i] += packed[i] }
    }
    return statistics.layers.map { layer in
      let averages = (FactorAverage<Double>(layer.shape.a), FactorAverage<Double>(layer.shape.b))
      let scales = statistics.scales(of: layer, examples: examples, reduction: reduction)
      sum.withUnsafeBufferPointer {
        let start = $0.baseAddress!
        averages.0.add(start + layer.a.lowerBound, scale: scales.a, decay: 0)
        averages.1.add(start + layer.b.lowerBound, scale: scales.b, decay: 0)
      }
      return Factors(
        layer: layer, a: dense(averages.0), b: dense(averages.1), averages: averages)
    }
  }

  func gather(
    _ statistics: KroneckerStatistics<Double>, _ range: Range<Int>, seed: UInt64
  ) -> [Double] {
    // NaN shows any element left unwritten.
    var packed = [Double](repeating: .nan, count: statistics.packedCount)
    let width = network.inputCount
    packed.withUnsafeMutableBufferPointer { packed in
      withTargets(range) { targets in
        withBuffers(Array(inputs[range.lowerBound * width..<range.upperBound * width])) {
          inputs, parameters, state in
          statistics.gather(
            inputs: inputs, targets: targets, parameters: parameters, state: state, seed: seed,
            step: 3, firstExample: range.lowerBound, into: packed.baseAddress!)
        }
      }
    }
    return packed
  }

  // MARK: Dense truth

  /// Returns the Gauss–Newton matrix of the mean or the sum, [d, d].
  func gaussNewton(_ reduction: LossReduction = .mean) -> DenseMatrix {
    let outputs = outputs()
    let (positions, width) = (network.positions, network.outputCount)
    let hessians = (0..<examples).map { n in
      let blocks = (0..<positions).map { s in
        let start = (n * positions + s) * width
        return hessian(Array(outputs[start..<start + width]))
      }
      return DenseMatrix(rows: positions * width, columns: positions * width) { i, j in
        i / width == j / width ? blocks[i / width][i % width, j % width] : 0
      }
    }
    return denseGaussNewton(
      jacobians: (0..<examples).map(jacobian), hessians: hessians,
      factor: factor(reduction))
  }

  /// Returns R Σₙ ∇cₙ ∇cₙᵀ with the criterion's gradients at the data's targets, [d, d].
  func empiricalFisher(_ reduction: LossReduction = .mean) -> DenseMatrix {
    let share = loss.gradientFactor(outputs: network.outputCount)
    let gradients = (0..<examples).map { n in
      [
        withTargets(n..<n + 1) { gradient(example: n, $0, loss) }.map { $0 / share }
      ]
    }
    let one = DenseMatrix(rows: 1, columns: 1) { _, _ in 1 }
    return denseGaussNewton(
      jacobians: gradients, hessians: gradients.map { _ in one }, factor: factor(reduction))
  }

  private func factor(_ reduction: LossReduction) -> Double {
    loss.reductionFactor(
      reduction, predictions: examples * network.positions, outputs: network.outputCount)
  }

  /// Returns a layer's block, its parameters in the order of its matrix [d_out, d_in + 1].
  func block(_ matrix: DenseMatrix, of layer: FactoredLayer) -> DenseMatrix {
    let count = layer.parameters.count
    let flat = (0..<count).map { Double(layer.parameters.lowerBound + $0) }
    var order = flat
    if !layer.isNormalization {
      order.withUnsafeMutableBufferPointer { order in
        flat.withUnsafeBufferPointer {
          layer.shape.gather($0.baseAddress!, into: order.baseAddress!)
        }
      }
    }
    return DenseMatrix(rows: count, columns: count) { matrix[Int(order[$0]), Int(order[$1])] }
  }

  private func hessian(_ z: [Double]) -> DenseMatrix {
    switch loss {
    case .crossEntropy: OutputHessian.crossEntropy(z)
    case .meanSquaredError: OutputHessian.squaredError(z)
    case .binaryCrossEntropy: OutputHessian.binaryCrossEntropy(z)
    }
  }

  /// Returns ∂outputs/∂parameters of an example, row by row: the gradient of a squared error whose
  /// derivative by the outputs is a unit vector.
  func jacobian(_ example: Int) -> [[Double]] {
    let count = network.positions * network.outputCount
    let z = Array(outputs()[example * count..<(example + 1) * count])
    return (0..<count).map { k in
      var targets = z
      targets[k] -= Double(network.outputCount) / 2
      return targets.withUnsafeBufferPointer {
        gradient(example: example, .values($0), .meanSquaredError)
      }
    }
  }

  func outputs() -> [Double] {
    var outputs = [Double](
      repeating: .nan, count: examples * network.positions * network.outputCount)
    outputs.withUnsafeMutableBufferPointer { outputs in
      withBuffers(inputs) { inputs, parameters, state in
        network.forward(inputs: inputs, parameters: parameters, state: state, outputs: outputs)
      }
    }
    return outputs
  }

  private func gradient(example: Int, _ targets: Targets<Double>, _ loss: Loss) -> [Double] {
    var gradient = [Double](repeating: .nan, count: network.parameterCount)
    let width = network.inputCount
    gradient.withUnsafeMutableBufferPointer { gradient in
      withBuffers(Array(inputs[example * width..<(example + 1) * width])) {
        inputs, parameters, state in
        _ = network.lossAndGradient(
          inputs: inputs, targets: targets, parameters: parameters, state: state,
          gradient: gradient, loss: loss, scale: 1)
      }
    }
    return gradient
  }

  func withTargets<Result>(_ range: Range<Int>, _ body: (Targets<Double>) -> Result) -> Result {
    let (positions, outputs) = (network.positions, network.outputCount)
    if case .crossEntropy = loss {
      return labels[range.lowerBound * positions..<range.upperBound * positions]
        .withUnsafeBufferPointer { body(.classes($0)) }
    }
    let count = positions * outputs
    return values[range.lowerBound * count..<range.upperBound * count]
      .withUnsafeBufferPointer { body(.values($0)) }
  }

  func withBuffers(
    _ inputs: [Double],
    _ body: (
      UnsafeBufferPointer<Double>, UnsafeBufferPointer<Double>, UnsafeBufferPointer<Double>
    ) -> Void
  ) {
    inputs.withUnsafeBufferPointer { inputs in
      parameters.withUnsafeBufferPointer { parameters in
        state.withUnsafeBufferPointer { body(inputs, parameters, $0) }
      }
    }
  }
}

/// Returns a factor as a full matrix.
func dense(_ average: FactorAverage<Double>) -> DenseMatrix {
  let matrix = average.matrix()
  let order = average.shape.order
  return DenseMatrix(rows: order, columns: order) { matrix.pointer[$0 * order + $1] }
}
