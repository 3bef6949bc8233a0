/// A line of `metrics.jsonl`: for a step, for an evaluation, or for weights that go.
///
/// What a line is not about is nil. A number that is not finite is null in the file, and nil when
/// it is read.
package struct MetricsLine: Codable {
  /// Steps taken.
  package var step: Int
  package var epoch: Int?

  // For a step.
  /// Mean over the batch, at the parameters before the step.
  package var loss: Double?
  package var learningRate: Double?
  package var gradientNorm: Double?
  /// ‖u‖ of the direction, and its angle to the gradient in degrees.
  package var directionNorm: Double?
  package var angle: Double?
  /// λ, where the optimizer has one.
  package var damping: Double?
  /// The loss's actual change over the predicted one, where λ follows it.
  package var reductionRatio: Double?
  /// The most iterations of conjugate gradients of a layer, and the largest ‖r‖/‖b‖ that one was
  /// left with.
  package var cgIterations: Int?
  package var cgResidual: Double?
  /// The Gram matrix's eigenvalues, in the steps in which they are computed.
  package var gramLargest: Double?
  package var gramMedian: Double?
  package var gramSmallest: Double?
  package var gramEffectiveRank: Double?
  /// Whether the step was left out, for a gradient that is not finite.
  package var skipped: Bool?
  /// Seconds by phase.
  package var seconds: [String: Double]?

  /// The removed share of the prunable weights, where there are masks.
  package var sparsity: Double?

  // For weights that go, after so many steps.
  package var kept: Int?
  package var removed: Int?
  package var regrown: Int?
  /// The change of the loss by the removal, where the method predicts it.
  package var predictedChange: Double?
  package var pruningSeconds: Double?

  // For an evaluation.
  package var testLoss: Double?
  /// For classes.
  package var testAccuracy: Double?
  /// For values, in the data's units.
  package var testRmse: Double?
  /// Without those of spectra, evaluations and checkpoints.
  package var trainingSeconds: Double?
  package var secondsSinceStart: Double?
  /// True in the last line of a run that came to its end.
  package var final: Bool?

  package init(step: Int, epoch: Int) { (self.step, self.epoch) = (step, epoch) }

  /// What event files have of it. A sparsity shows in the step that follows its change.
  package var scalars: [(tag: String, value: Double)] {
    guard pruningSeconds == nil else { return [] }
    let numbers: [(String, Double?)] = [
      ("loss/train", loss), ("optimizer/learning_rate", learningRate),
      ("optimizer/damping", damping), ("optimizer/reduction_ratio", reductionRatio),
      ("optimizer/cg_iterations", cgIterations.map(Double.init)),
      ("optimizer/cg_residual", cgResidual), ("optimizer/gradient_norm", gradientNorm),
      ("optimizer/direction_norm", directionNorm), ("optimizer/angle", angle),
      ("gram/largest", gramLargest), ("gram/median", gramMedian), ("gram/smallest", gramSmallest),
      ("gram/effective_rank", gramEffectiveRank), ("sparsity", sparsity),
    ]
    let ofEvaluation: [(String, Double?)] = [
      ("loss/test", testLoss), ("accuracy/test", testAccuracy), ("rmse/test", testRmse),
    ]
    return numbers.compactMap { tag, value in value.map { (tag, $0) } }
      + (seconds ?? [:]).sorted { $0.key < $1.key }.map { ("seconds/\($0.key)", $0.value) }
      + ofEvaluation.compactMap { tag, value in value.map { (tag, $0) } }
  }
}
