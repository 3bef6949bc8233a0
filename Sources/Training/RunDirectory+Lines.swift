/// A line of `metrics.jsonl`.
protocol Line: Encodable {
  var step: Int { get }
  /// What the event file has of it.
  var scalars: [(tag: String, value: Double)] { get }
}

extension RunDirectory {
  /// A line for a step.
  struct StepLine: Line {
    let step: Int
    let epoch: Int
    let loss: Double
    let gradientNorm: Double
    /// Of `DirectionMeasure`.
    let directionNorm: Double?
    let angle: Double?
    let learningRate: Double
    /// Of the prunable weights, the share that is removed, where there are masks.
    let sparsity: Double?
    /// λ, of M-FAC.
    let damping: Double?
    /// Of the loss, actual to predicted, where λ follows it.
    let reductionRatio: Double?
    /// Of conjugate gradients, the most of a layer, and the largest ‖r‖/‖b‖ that one was left with.
    let cgIterations: Int?
    let cgResidual: Double?
    /// Of `GramSpectrum`, in the steps in which it is made.
    let gramLargest: Double?
    let gramMedian: Double?
    let gramSmallest: Double?
    let gramEffectiveRank: Double?
    /// Whether the step was left out, for a gradient that is not finite.
    let skipped: Bool
    let seconds: [String: Double]

    var scalars: [(tag: String, value: Double)] {
      let numbers: [(String, Double?)] = [
        ("loss/train", loss), ("optimizer/learning_rate", learningRate),
        ("optimizer/damping", damping), ("optimizer/reduction_ratio", reductionRatio),
        ("optimizer/cg_iterations", cgIterations.map(Double.init)),
        ("optimizer/cg_residual", cgResidual),
        ("optimizer/gradient_norm", gradientNorm),
        ("optimizer/direction_norm", directionNorm), ("optimizer/angle", angle),
        ("gram/largest", gramLargest), ("gram/median", gramMedian),
        ("gram/smallest", gramSmallest), ("gram/effective_rank", gramEffectiveRank),
        ("sparsity", sparsity),
      ]
      return numbers.compactMap { tag, value in value.map { (tag, $0) } }
        + seconds.sorted { $0.key < $1.key }.map { ("seconds/\($0.key)", $0.value) }
    }
  }

  /// A line for weights that go, after so many steps.
  struct PruningLine: Line {
    let step: Int
    let epoch: Int
    let sparsity: Double
    let kept: Int
    let removed: Int
    let regrown: Int
    /// Of the loss by the removal, where the method predicts it.
    let predictedChange: Double?
    let pruningSeconds: Double

    /// The sparsity shows in the step that follows.
    var scalars: [(tag: String, value: Double)] { [] }
  }

  /// A line for an evaluation.
  struct EvaluationLine: Line {
    let step: Int
    let epoch: Int
    let testLoss: Double
    /// Of classes.
    let testAccuracy: Double?
    /// Of values, in the data's units.
    let testRmse: Double?
    /// Without those of spectra, evaluations and checkpoints.
    let trainingSeconds: Double
    let secondsSinceStart: Double
    /// True in the last line of a run that came to its end; nil elsewhere.
    let final: Bool?

    var scalars: [(tag: String, value: Double)] {
      let numbers: [(String, Double?)] = [
        ("loss/test", testLoss), ("accuracy/test", testAccuracy), ("rmse/test", testRmse),
      ]
      return numbers.compactMap { tag, value in value.map { (tag, $0) } }
    }
  }
}

/// A number of a record that is read again: one that is not finite is null there, and NaN when it
/// is read.
package struct JSONNumber: Codable {
  package let value: Double

  package init(_ value: Double) { self.value = value }

  package func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(value)
  }

  package init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    value = container.decodeNil() ? .nan : try container.decode(Double.self)
  }
}
