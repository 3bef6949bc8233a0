/// How the losses of the predictions, and of their outputs, become one number.
public enum LossReduction: Sendable {
  /// Over the predictions, and of squared errors and binary cross-entropy over the outputs too:
  /// what training minimises.
  case mean
  /// Of all of them.
  case sum
}

extension Loss {
  /// R of R Σₙ Jₙᵀ Λₙ Jₙ, the Gauss–Newton matrix of the reduced loss, with Λ the Hessian of
  /// cross-entropy, of half the squared error, or of binary cross-entropy, summed over outputs.
  ///
  /// - Parameters:
  ///   - predictions: of the global batch: examples times positions that have a loss of their own.
  ///   - outputs: of a prediction.
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

  /// What a gradient by the outputs of this loss (of one prediction, as `Network.lossAndGradient`
  /// has it at a scale of 1) is of ▲ of the empirical Fisher matrix: 1, 2/outputs or 1/outputs.
  ///
  /// ▲ is that of the criterion whose Hessian is Λ, so that all kinds of Fisher have one scale.
  public func gradientFactor(outputs: Int) -> Double {
    switch self {
    case .crossEntropy: 1
    case .meanSquaredError: 2 / Double(outputs)
    case .binaryCrossEntropy: 1 / Double(outputs)
    }
  }
}
