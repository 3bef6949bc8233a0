import LinearAlgebra

/// How weights decay, at a rate ω.
public enum WeightDecay: Codable, Equatable, Sendable {
  /// ω·w is added to the gradient, before anything else is done with it but clipping.
  case coupled(Double)
  /// w ← w − η·ω·w beside the step, η the learning rate (Loshchilov and Hutter, 2019).
  case decoupled(Double)

  /// The same at another rate, where there is one.
  func at(_ rate: Double?) -> WeightDecay {
    guard let rate else { return self }
    return if case .coupled = self { .coupled(rate) } else { .decoupled(rate) }
  }

  /// What is added to the gradient for each unit of weight.
  var addedToGradient: Double { if case .coupled(let rate) = self { rate } else { 0 } }

  /// What the decoupled part leaves of a weight in a step: 1 − η·ω.
  func remainder<Element: Scalar>(learningRate: Double) -> Element {
    if case .decoupled(let rate) = self { 1 - Element(learningRate) * Element(rate) } else { 1 }
  }
}
