import Foundation

/// Bounds the change of the loss that a step's curvature predicts, uᵀFu for a change u of the
/// parameters: the mean square of the changes of single losses, about twice a divergence.
public enum ChangeBound: Codable, Equatable, Sendable {
  /// κ, for losses in nats.
  case absolute(Double)
  /// κ = (δL)², with δ and the running mean L of the loss: for losses in other units.
  case relative(Double)

  /// Returns the bound of each step of a run, for a bound on their sum.
  ///
  /// - Parameters:
  ///   - sum: the sum of the changes over the run, in units of the squared loss if the loss is not
  ///     in nats.
  ///   - steps: number of steps of the run.
  ///   - isInNats: whether the loss is a negative logarithm of a probability.
  public static func share(of sum: Double, steps: Int, isInNats: Bool) -> ChangeBound {
    let share = sum / Double(steps)
    return isInNats ? .absolute(share) : .relative(share.squareRoot())
  }
}

extension ChangeBound: CustomStringConvertible {
  public var description: String {
    switch self {
    case .absolute(let bound): String(format: "KL clip %.3g", bound)
    case .relative(let share): String(format: "KL clip (%.3g × loss)²", share)
    }
  }
}

/// Holds a bound, and the running mean of the loss that a relative bound needs:
/// L ← 0.9 L + 0.1 loss, divided by 1 − 0.9ᵗ.
struct BoundedChange {
  private let bound: ChangeBound?
  private var loss = 0.0
  private var weight = 0.0

  init(_ bound: ChangeBound?) { self.bound = bound }

  /// Adds the loss of a step that is being taken, before its direction is shortened.
  ///
  /// - Parameter loss: the loss of the step's batch; nil if the caller has none.
  mutating func follow(_ loss: Double?) {
    guard case .relative = bound else { return }
    guard let loss else { preconditionFailure("a bound relative to a loss that is not given") }
    self.loss = 0.9 * self.loss + 0.1 * loss
    weight = 0.9 * weight + 0.1
  }

  /// Returns min(1, √(κ/change)) for the predicted change of a step, η²uᵀFu; 1 without a bound.
  func factor(_ change: Double) -> Double {
    let limit: Double
    switch bound {
    case nil: return 1
    case .absolute(let limited): limit = limited
    case .relative(let share): limit = (share * loss / weight) * (share * loss / weight)
    }
    return change > limit ? (limit / change).squareRoot() : 1
  }

  /// The numbers for a checkpoint.
  var numbers: [String: Double] {
    if case .relative = bound { ["loss_mean": loss, "loss_weight": weight] } else { [:] }
  }

  mutating func resume(_ numbers: [String: Double]) throws {
    guard case .relative = bound else { return }
    (loss, weight) = (try numbers.stored("loss_mean"), try numbers.stored("loss_weight"))
  }
}
