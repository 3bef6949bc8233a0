/// A line of `metrics.jsonl`; records a step, an evaluation, or a change of the masks.
///
/// The fields of the other kinds are nil. A number that is not finite is null in the file, and nil
/// when it is read.
package struct MetricsLine: Codable {
  /// Steps taken so far.
  package var step: Int
  package var epoch: Int?

  // Fields of a step
  /// Mean over the batch, at the parameters before the step.
  package var loss: Double?
  package var learningRate: Double?
  package var gradientNorm: Double?
  /// ‖u‖ of the direction u; `angle` is its angle to the gradient, in degrees.
  package var directionNorm: Double?
  package var angle: Double?
  /// The factor by which a bound on the predicted change has shortened the step; nil without a
  /// bound.
  package var rateFactor: Double?
  /// λ; nil if the optimizer has none.
  package var damping: Double?
  /// Actual change of the loss divided by the predicted one; nil if λ does not adapt to it.
  package var reductionRatio: Double?
  /// Largest number of conjugate-gradient iterations of any layer; `cgResidual` is the largest
  /// final ‖r‖/‖b‖ of any layer.
  package var cgIterations: Int?
  package var cgResidual: Double?
  /// Eigenvalues of the Gram matrix; nil in steps in which they are not computed.
  package var gramLargest: Double?
  package var gramMedian: Double?
  package var gramSmallest: Double?
  package var gramEffectiveRank: Double?
  /// True if the step was skipped because its gradient was not finite.
  package var skipped: Bool?
  /// Seconds by phase.
  package var seconds: [String: Double]?

  /// Share of the prunable weights that are removed; nil without masks.
  package var sparsity: Double?

  // Fields of a change of the masks
  package var kept: Int?
  package var removed: Int?
  package var regrown: Int?
  /// Change of the loss that the method predicts for the removal; nil if it predicts none.
  package var predictedChange: Double?
  package var pruningSeconds: Double?

  // Fields of an evaluation
  package var testLoss: Double?
  /// Share of correct predictions; nil if the targets are values.
  package var testAccuracy: Double?
  /// Root mean squared error in the data's units; nil if the targets are classes.
  package var testRmse: Double?
  /// `secondsSinceStart` without spectra, evaluations and checkpoints.
  package var trainingSeconds: Double?
  package var secondsSinceStart: Double?
  /// True in the last line of a finished run.
  package var final: Bool?

  package init(step: Int, epoch: Int) { (self.step, self.epoch) = (step, epoch) }

  /// The numbers for event files. A new sparsity appears with the step that follows the change.
  package var scalars: [(tag: String, value: Double)] {
    guard pruningSeconds == nil else { return [] }
    let numbers: [(String, Double?)] = [
      ("loss/train", loss), ("optimizer/learning_rate", learningRate),
      ("optimizer/rate_factor", rateFactor), ("optimizer/damping", damping),
      ("optimizer/reduction_ratio", reductionRatio),
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
