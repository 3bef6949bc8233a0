import Glibc

/// Determines how λ changes from its initial value.
public struct DampingRule: Codable, Equatable, Sendable {
  /// Selects the schedule of λ over a run.
  public enum Schedule: Codable, Equatable, Sendable {
    case constant
    /// Linear interpolation to `final`, which the last of `steps` steps has.
    case linear(final: Double, steps: Int)
    /// Geometric interpolation to `final`, which the last of `steps` steps has.
    case exponential(final: Double, steps: Int)
    case levenbergMarquardt(LevenbergMarquardt)
  }

  /// Adapts λ to the quality of the quadratic model. Every T-th step that takes its direction from
  /// the curvature computes ρ = (actual change of the loss on the step's batch)/(predicted change).
  /// Then λ ← ωᵀλ if ρ > 3/4, and λ ← λ/ωᵀ if ρ < 1/4, with ω = 19/20.
  ///
  /// Martens, 2010; Martens and Grosse, 2015, section 6.5.
  public struct LevenbergMarquardt: Codable, Equatable, Sendable {
    /// T: directions from the curvature between two comparisons.
    public var every: Int
    /// Bounds on λ.
    public var bounds: ClosedRange<Double>

    /// Creates the rule.
    ///
    /// - Parameters:
    ///   - every: T, directions from the curvature between two comparisons.
    ///   - bounds: bounds on λ.
    public init(every: Int = 5, bounds: ClosedRange<Double> = 1e-8...1e4) {
      self.every = every
      self.bounds = bounds
    }

    /// Returns λ after a comparison.
    ///
    /// A loss that is not finite counts as ρ < 1/4. If the model predicts no decrease, as can
    /// happen with momentum, ρ has no meaning and λ is unchanged.
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

  public var schedule: Schedule
  /// True if λ is multiplied by the mean diagonal of K/m over the gradients in the window.
  public var isRelative: Bool

  /// Creates a rule.
  ///
  /// - Parameter isRelative: whether λ is multiplied by the mean diagonal of K/m.
  public init(_ schedule: Schedule = .constant, isRelative: Bool = false) {
    self.schedule = schedule
    self.isRelative = isRelative
  }

  package var levenbergMarquardt: LevenbergMarquardt? {
    if case .levenbergMarquardt(let rule) = schedule { rule } else { nil }
  }

  /// Returns λ at a step, before relative scaling; with Levenberg–Marquardt, the initial λ.
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
