import Glibc

/// How λ goes on from the value that it starts with.
public struct DampingRule: Codable, Equatable, Sendable {
  /// The course of λ over a run.
  public enum Schedule: Codable, Equatable, Sendable {
    case constant
    /// In equal differences to `final`, which the last of `steps` steps has.
    case linear(final: Double, steps: Int)
    /// In equal ratios to `final`, which the last of `steps` steps has.
    case exponential(final: Double, steps: Int)
    case levenbergMarquardt(LevenbergMarquardt)
  }

  /// λ is compared with what it does. In every T-th step that takes its direction from the window,
  /// ρ = (actual change of the loss on the step's batch)/(predicted change); then λ ← ωᵀλ where ρ >
  /// 3/4, λ ← λ/ωᵀ where ρ < 1/4, with ω = 19/20.
  ///
  /// Martens, 2010; Martens and Grosse, 2015, section 6.5.
  public struct LevenbergMarquardt: Codable, Equatable, Sendable {
    /// T.
    public var every: Int
    /// λ stays within.
    public var bounds: ClosedRange<Double>

    /// - Parameters:
    ///   - every: steps from one comparison to the next.
    ///   - bounds: λ stays within.
    public init(every: Int = 5, bounds: ClosedRange<Double> = 1e-8...1e4) {
      self.every = every
      self.bounds = bounds
    }

    /// λ after a comparison.
    ///
    /// A loss that is not finite counts as ρ < 1/4. Where the model predicts no decrease, as
    /// momentum may bring about, ρ says nothing, and λ stays.
    func adapted(_ damping: Double, actual: Double, predicted: Double) -> Double {
      guard predicted < 0 else { return damping }
      let ratio = actual / predicted
      let factor = pow(19.0 / 20, Double(every))
      var next = damping
      if ratio > 0.75 { next *= factor }
      if !(ratio >= 0.25) { next /= factor }
      return min(max(next, bounds.lowerBound), bounds.upperBound)
    }
  }

  /// The course of λ.
  public var schedule: Schedule
  /// Whether λ is times the mean diagonal of K/m, over the gradients in the window.
  public var isRelative: Bool

  /// - Parameter isRelative: whether λ is times the mean diagonal of K/m.
  public init(_ schedule: Schedule = .constant, isRelative: Bool = false) {
    self.schedule = schedule
    self.isRelative = isRelative
  }

  package var levenbergMarquardt: LevenbergMarquardt? {
    if case .levenbergMarquardt(let rule) = schedule { rule } else { nil }
  }

  /// λ at a step, before it is made relative; with Levenberg–Marquardt the one it starts with.
  func damping(from first: Double, at step: Int) -> Double {
    switch schedule {
    case .constant, .levenbergMarquardt: return first
    case .linear(let final, let steps):
      return first + (final - first) * Self.done(step, of: steps)
    case .exponential(let final, let steps):
      return first * pow(final / first, Self.done(step, of: steps))
    }
  }

  private static func done(_ step: Int, of steps: Int) -> Double {
    min(Double(step) / Double(max(steps - 1, 1)), 1)
  }
}
