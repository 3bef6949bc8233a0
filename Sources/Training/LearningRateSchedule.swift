import Glibc

/// Gives the learning rate of each step: a linear warm-up, then a shape.
public struct LearningRateSchedule: Sendable, Equatable {
  /// Selects the learning-rate schedule after warm-up.
  public enum Shape: Sendable, Equatable {
    case constant
    /// Multiplication by `factor` every `every` steps.
    case step(every: Int, factor: Double)
    /// Half a cosine, from the full rate at the end of the warm-up to 0 after the last step.
    case cosine
    /// A line, from the full rate at the end of the warm-up to 0 after the last step.
    case linear
  }

  /// The full rate η.
  public let base: Double
  /// Shape of the schedule after warm-up.
  public let shape: Shape
  /// Steps of the warm-up; step t, from 0, takes (t + 1)/warmUp of the full rate.
  public let warmUp: Int
  /// Steps of the run, including the warm-up.
  public let totalSteps: Int
  /// Steps at which the shape restarts, ascending. Each cycle ends at the next restart, the last
  /// one at `totalSteps`.
  public var restarts: [Int] = []

  /// Creates a schedule without restarts.
  ///
  /// - Parameters:
  ///   - base: the full rate η.
  ///   - warmUp: steps until the full rate is reached.
  ///   - totalSteps: steps of the run, including the warm-up.
  public init(base: Double, shape: Shape, warmUp: Int = 0, totalSteps: Int) {
    self.base = base
    self.shape = shape
    self.warmUp = warmUp
    self.totalSteps = totalSteps
  }

  /// Returns the learning rate of a step.
  ///
  /// - Parameter step: counted from 0.
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
