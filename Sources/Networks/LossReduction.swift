/// Selects how the losses of the predictions and their outputs are reduced to one number.
public enum LossReduction: Sendable {
  /// Mean over the predictions, and for squared errors and binary cross-entropy also over the
  /// outputs. Training minimises it.
  case mean
  /// Sum over the predictions and their outputs.
  case sum
}

extension Loss {
  /// Returns R of R Σₙ Jₙᵀ Λₙ Jₙ, the Gauss–Newton matrix of the reduced loss.
  ///
  /// Λ is the Hessian of cross-entropy, of half the squared error, or of binary cross-entropy,
  /// summed over outputs.
  ///
  /// - Parameters:
  ///   - predictions: predictions in the global batch: examples times positions that have their own
  ///     loss.
  ///   - outputs: outputs of a prediction.
  public func reductionFactor(
    _ reduction: LossReduction = .mean, predictions: Int, outputs: Int
  ) -> Double {
    let factor = self == .meanSquaredError ? 2.0 : 1.0
    switch (reduction, self) {
    case (.sum, _): return factor
    case (.mean, .crossEntropy): return factor / Double(predictions)
    case (.mean, _): return factor / Double(predictions * outputs)
    }
  }

  /// Returns the ratio of this loss's gradient by the outputs to ▲ of the empirical Fisher matrix:
  /// 1, 2/outputs or 1/outputs.
  ///
  /// The gradient is that of one prediction with scale 1, as `Network.lossAndGradient` computes it.
  /// ▲ belongs to the criterion whose Hessian is Λ, which gives all kinds of Fisher matrix one
  /// scale.
  public func gradientFactor(outputs: Int) -> Double {
    switch self {
    case .crossEntropy: 1
    case .meanSquaredError: 2 / Double(outputs)
    case .binaryCrossEntropy: 1 / Double(outputs)
    }
  }
}
