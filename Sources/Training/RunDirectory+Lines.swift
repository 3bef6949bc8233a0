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
    let loss: JSONNumber
    let gradientNorm: JSONNumber
    /// Of `DirectionMeasure`.
    let directionNorm: JSONNumber?
    let angle: Double?
    let learningRate: Double
    /// Of the prunable weights, the share that is removed, where there are masks.
    let sparsity: Double?
    /// λ, of M-FAC.
    let damping: Double?
    /// Of the loss, actual to predicted, where λ follows it.
    let reductionRatio: JSONNumber?
    /// Of conjugate gradients, the most of a layer, and the largest ‖r‖/‖b‖ that one was left with.
    let cgIterations: Int?
    let cgResidual: JSONNumber?
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
        ("loss/train", loss.value), ("optimizer/learning_rate", learningRate),
        ("optimizer/damping", damping), ("optimizer/reduction_ratio", reductionRatio?.value),
        ("optimizer/cg_iterations", cgIterations.map(Double.init)),
        ("optimizer/cg_residual", cgResidual?.value),
        ("optimizer/gradient_norm", gradientNorm.value),
        ("optimizer/direction_norm", directionNorm?.value), ("optimizer/angle", angle),
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
    let predictedChange: JSONNumber?
    let pruningSeconds: Double

    /// The sparsity shows in the step that follows.
    var scalars: [(tag: String, value: Double)] { [] }
  }

  /// A line for an evaluation.
  struct EvaluationLine: Line {
    let step: Int
    let epoch: Int
    let testLoss: JSONNumber
    /// Of classes.
    let testAccuracy: Double?
    /// Of values, in the data's units.
    let testRmse: Double?
    /// Without those of spectra, evaluations and checkpoints.
    let trainingSeconds: Double
    let secondsSinceStart: Double

    var scalars: [(tag: String, value: Double)] {
      let numbers: [(String, Double?)] = [
        ("loss/test", testLoss.value), ("accuracy/test", testAccuracy), ("rmse/test", testRmse),
      ]
      return numbers.compactMap { tag, value in value.map { (tag, $0) } }
    }
  }
}

/// A number, or null for an infinity or a NaN, which JSON has no form for.
package struct JSONNumber: Codable {
  package let value: Double

  package init(_ value: Double) { self.value = value }

  package func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    if value.isFinite { try container.encode(value) } else { try container.encodeNil() }
  }

  package init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    value = container.decodeNil() ? .nan : try container.decode(Double.self)
  }
}
