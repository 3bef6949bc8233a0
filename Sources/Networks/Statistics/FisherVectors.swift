import Curvature
import LinearAlgebra
import RandomNumbers

/// Computes the vectors ▲ of a Fisher matrix for the outputs of one call.
///
///     n examples, P predictions of each
///     z [n, P, outputs]   the outputs
///     ▲ [n, P, outputs]   a vector
///
/// A vector has values at all predictions of all examples at once. Predictions may interact
/// (attention, batch-norm in training). Then the sums also contain products of one prediction's ▲
/// with another's. Independent random signs for each prediction and column make these vanish in
/// expectation. They change nothing if predictions do not interact.
package final class FisherVectors<Element: Scalar> {
  private let loss: Loss
  private let fisher: Fisher
  private let outputs: Int
  private let positions: Int
  private let probabilities: Buffer<Element>
  private let scales: Buffer<Element>

  /// Allocates the memory for the largest call.
  ///
  /// - Parameters:
  ///   - predictions: n·P of the largest call.
  ///   - positions: P gives each column of `type2` values at only one of the P positions. That
  ///     takes P times the columns, and gives the exact matrix if positions interact.
  package init(
    _ fisher: Fisher, of loss: Loss, predictions: Int, outputs: Int,
    keepingApart positions: Int = 1
  ) {
    precondition(positions == 1 || fisher == .type2, "\(fisher) by positions")
    self.positions = positions
    self.loss = loss
    self.fisher = fisher
    self.outputs = outputs
    probabilities = Buffer(count: loss == .meanSquaredError ? 0 : predictions * outputs)
    scales = Buffer(count: predictions)
  }

  /// Number of vectors.
  package var columns: Int { positions * fisher.columns(outputs: outputs) }

  /// Writes ▲ of a column; columns come in order from 0. The draws depend on the seed, the step,
  /// the prediction's place in the batch, the column and the output.
  ///
  /// - Parameters:
  ///   - z: [n, P, outputs]
  ///   - targets: targets of the data; only an empirical Fisher matrix needs them.
  ///   - firstPrediction: place in the batch of the call's first prediction.
  package func fill(
    _ column: Int, _ z: UnsafeBufferPointer<Element>,
    into vector: UnsafeMutableBufferPointer<Element>, targets: Targets<Element>?, seed: UInt64,
    step: Int, firstPrediction: Int
  ) {
    precondition(
      z.count == vector.count && z.count <= scales.count * outputs,
      "\(z.count) outputs for a vector of \(vector.count), up to \(scales.count) predictions")
    let predictions = z.count / outputs
    if case .empirical = fisher {
      guard let targets else { preconditionFailure("an empirical Fisher matrix without targets") }
      _ = loss(
        predictions: predictions, outputs: outputs, z.baseAddress!, targets,
        scale: Element(1 / loss.gradientFactor(outputs: outputs)), gradient: vector.baseAddress!)
      return
    }
    if column == 0 { prepare(predictions, z) }
    // Streams from 2⁶² to 2⁶³ belong to these vectors.
    let random = CounterRandom(
      seed: seed, stream: 1 << 62 | UInt64(step) << 20 | UInt64(column))
    switch fisher {
    case .type2:
      let first = UInt64(firstPrediction)
      for i in 0..<predictions {
        let isPresent = i % positions == column / outputs
        let sign: Element = random.bits(at: first + UInt64(i)) & 1 == 0 ? 1 : -1
        scales.pointer[i] = isPresent ? sign : 0
      }
      fillRoot(column % outputs, predictions, vector.baseAddress!)
    case .monteCarlo(let samples):
      draw(
        predictions, random, UInt64(firstPrediction), factor: 1 / Double(samples).squareRoot(),
        vector.baseAddress!)
    case .empirical, .forwardOnly: preconditionFailure("\(fisher) has no drawn vectors")
    }
  }

  private func prepare(_ predictions: Int, _ z: UnsafeBufferPointer<Element>) {
    switch loss {
    case .crossEntropy:
      probabilities.pointer.update(from: z.baseAddress!, count: z.count)
      Element.softmax(
        rows: predictions, columns: outputs, isCausal: false, probabilities.pointer)
    case .binaryCrossEntropy:
      Element.activate(.sigmoid, count: z.count, z.baseAddress!, into: probabilities.pointer)
    case .meanSquaredError: break
    }
  }

  /// Writes column c of S with S Sᵀ = Λ, times the prediction's sign in `scales`:
  ///
  ///     cross-entropy          √p_c (e_c − p), with p the softmax and Λ = diag(p) − ppᵀ
  ///     binary cross-entropy   √(p_c(1 − p_c)) e_c, with p the sigmoid
  ///     half squared error     e_c
  ///
  /// Label smoothing changes the loss by a linear function, and does not change Λ.
  private func fillRoot(
    _ column: Int, _ predictions: Int, _ vector: UnsafeMutablePointer<Element>
  ) {
    let p = probabilities.pointer
    switch loss {
    case .crossEntropy:
      for i in 0..<predictions { scales.pointer[i] *= -p[i * outputs + column].squareRoot() }
      Element.scaleRows(
        rows: predictions, columns: outputs, scale: scales.pointer, p, into: vector)
      for i in 0..<predictions { vector[i * outputs + column] -= scales.pointer[i] }
    case .binaryCrossEntropy, .meanSquaredError:
      vector.update(repeating: 0, count: predictions * outputs)
      for i in 0..<predictions {
        let at = i * outputs + column
        let root = loss == .meanSquaredError ? 1 : (p[at] * (1 - p[at])).squareRoot()
        vector[at] = scales.pointer[i] * root
      }
    }
  }

  /// Writes `factor` times the gradient for drawn targets:
  ///
  ///     cross-entropy          p − e_c, with c drawn from the softmax p
  ///     binary cross-entropy   p − t, with t drawn from the sigmoid p
  ///     half squared error     a standard normal number, as targets are normal around z
  private func draw(
    _ predictions: Int, _ random: CounterRandom, _ first: UInt64, factor: Double,
    _ vector: UnsafeMutablePointer<Element>
  ) {
    let p = probabilities.pointer
    switch loss {
    case .crossEntropy:
      scales.all.update(repeating: Element(factor))
      Element.scaleRows(
        rows: predictions, columns: outputs, scale: scales.pointer, p, into: vector)
      for i in 0..<predictions {
        let label = Element.classAt(
          random.uniform(at: first + UInt64(i)), classes: outputs, p + i * outputs)
        vector[i * outputs + label] -= Element(factor)
      }
    case .binaryCrossEntropy:
      for at in 0..<predictions * outputs {
        let drawn = random.uniform(at: first * UInt64(outputs) + UInt64(at)) < Double(p[at])
        vector[at] = Element(factor) * (drawn ? p[at] - 1 : p[at])
      }
    case .meanSquaredError:
      for at in 0..<predictions * outputs {
        vector[at] = Element(factor * random.normal(at: first * UInt64(outputs) + UInt64(at)))
      }
    }
  }
}
