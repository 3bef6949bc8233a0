import Glibc

/// The learning rate of each step: a linear warm-up, then a shape.
public struct LearningRateSchedule: Sendable, Equatable {
  /// What becomes of the rate after the warm-up.
  public enum Shape: Sendable, Equatable {
    case constant
    /// Multiplied by `factor` after every so many steps.
    case step(every: Int, factor: Double)
    /// Half a cosine, from the full rate at the end of the warm-up to 0 after the last step.
    case cosine
    /// A line between the same.
    case linear
  }

  /// The full rate η.
  public let base: Double
  /// After the warm-up.
  public let shape: Shape
  /// Step t of the warm-up takes (t + 1)/warmUp of the rate.
  public let warmUp: Int
  /// Steps of the run.
  public let totalSteps: Int
  /// Steps at which the shape begins anew, ascending: of each cycle it reaches its end at the next.
  public var restarts: [Int] = []

  /// - Parameters:
  ///   - base: the full rate.
  ///   - warmUp: steps until it is reached.
  ///   - totalSteps: of the run, the warm-up among them.
  public init(base: Double, shape: Shape, warmUp: Int = 0, totalSteps: Int) {
    self.base = base
    self.shape = shape
    self.warmUp = warmUp
    self.totalSteps = totalSteps
  }

  /// - Parameter step: from 0.
  public func rate(at step: Int) -> Double {
    if step < warmUp { return base * Double(step + 1) / Double(warmUp) }
    let start = restarts.last { $0 <= step } ?? 0
    let end = restarts.first { $0 > step } ?? totalSteps
    let first = max(start, warmUp)
    let done = Double(step - first) / Double(max(end - first, 1))
    switch shape {
    case .constant: return base
    case .step(let every, let factor): return base * pow(factor, Double((step - start) / every))
    case .cosine: return base * 0.5 * (1 + cos(.pi * done))
    case .linear: return base * (1 - done)
    }
  }
}
