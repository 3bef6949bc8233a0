import Pruning
import Training

extension Report {
  /// What a stage came to.
  struct Stage: Codable {
    /// λ and η of a mask, λ, η and τ of an update by it.
    struct Candidate: Codable {
      let maskDamping: Double
      let maskGradientScale: Double
      let damping: Double
      let gradientScale: Double
      let step: Double
      let heldOutLoss: JSONNumber

      init(_ candidate: HeldOutChoice.Candidate) {
        maskDamping = candidate.mask.damping
        maskGradientScale = candidate.mask.gradientScale
        damping = candidate.update.damping
        gradientScale = candidate.update.gradientScale
        step = candidate.step
        heldOutLoss = JSONNumber(candidate.loss)
      }
    }

    let sparsity: Double
    /// Of the training loss, by the method's model; none where it makes none.
    let predictedChange: Double?
    /// ‖δ_R‖/‖w_R‖ of the weights that are kept.
    let relativeChange: JSONNumber
    /// Of S_R, where one is solved for all weights.
    let condition: JSONNumber?
    /// A bound on the relative error of the update, where one was solved for.
    let error: JSONNumber?
    /// Where there were several candidates.
    let chosen: Candidate?
    let candidates: [Candidate]?

    init(_ stage: PrunedStage, change: Double) {
      sparsity = stage.sparsity
      predictedChange = stage.prediction
      relativeChange = JSONNumber(change)
      condition = stage.condition.map(JSONNumber.init)
      error = stage.error.map(JSONNumber.init)
      candidates = stage.choice?.candidates.map(Candidate.init)
      chosen = stage.choice.map { Candidate($0.candidates[$0.chosen]) }
    }

    /// λ, η and τ of the update, for people.
    var choice: String? {
      chosen.map { "  λ \($0.damping), η \($0.gradientScale), τ \($0.step)" }
    }
  }
}

extension Report.Seconds {
  mutating func add(_ stage: PrunedStage.Seconds) {
    selection += stage.selection
    removal += stage.removal
    judging += stage.judging
  }
}
