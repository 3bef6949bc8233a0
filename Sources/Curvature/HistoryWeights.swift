/// Weights a of the window's gradients in their moving average `Gᵀa`, with `Σ a = 1`.
///
///     aᵢ ∝ β^age(i)                          age 0 is the newest gradient
///     aᵢ ← β aᵢ + (1 − β)[age(i) = 0]        in addition, after Nesterov
///
/// A direction of that average is momentum without a vector of size d, preconditioned by the
/// curvature of today. β = 0 leaves the newest gradient alone.
public struct HistoryWeights: Codable, Equatable, Sendable {
  /// β in [0, 1).
  public var decay: Double
  /// True for the weights after Nesterov, which look one step ahead.
  public var isNesterov: Bool

  /// Creates weights.
  ///
  /// - Parameters:
  ///   - decay: β in [0, 1).
  ///   - isNesterov: whether the weights look one step ahead.
  public init(decay: Double = 0, isNesterov: Bool = false) {
    precondition(decay >= 0 && decay < 1, "a decay of \(decay)")
    self.decay = decay
    self.isNesterov = isNesterov
  }

  /// Returns the weights of `count` > 0 gradients, from the oldest to the newest.
  func callAsFunction(_ count: Int) -> [Double] {
    var weights = [Double](repeating: 0, count: count)
    var (power, sum) = (1.0, 0.0)
    for i in weights.indices.reversed() {
      weights[i] = power
      sum += power
      power *= decay
    }
    let scale = (isNesterov ? decay : 1) / sum
    for i in weights.indices { weights[i] *= scale }
    if isNesterov { weights[count - 1] += 1 - decay }
    return weights
  }
}
