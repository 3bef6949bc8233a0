/// How weights decay, at a rate ω.
public enum WeightDecay: Sendable, Equatable {
  /// ω·w is added to the gradient, before anything else is done with it.
  case coupled(Float)
  /// w ← w − η·ω·w beside the step, η the learning rate (Loshchilov and Hutter, 2019).
  case decoupled(Float)

  /// What the decoupled part leaves of a weight in a step: 1 − η·ω.
  func remainder(learningRate: Double) -> Float {
    if case .decoupled(let rate) = self { 1 - Float(learningRate) * rate } else { 1 }
  }
}
