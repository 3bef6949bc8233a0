import LinearAlgebra
import MPI
import Sharding

/// Adam: m ← β₁m + (1 − β₁)g; v ← β₂v + (1 − β₂)g²; w ← w − η·m̂/(√v̂ + ε), where m̂ = m/(1 − β₁ᵗ) and
/// v̂ = v/(1 − β₂ᵗ).
///
/// With decoupled weight decay it is AdamW. Kingma and Ba, 2015; Loshchilov and Hutter, 2019.
public final class AdamW: ShardedOptimizer {
  private let beta1: Float = 0.9
  private let beta2: Float = 0.999
  private let epsilon: Float = 1e-8
  private let weightDecay: WeightDecay
  private let gradient: GradientSlice
  private let first: Buffer<Float>
  private let second: Buffer<Float>
  /// β₁ᵗ and β₂ᵗ.
  private var powers: (Double, Double) = (1, 1)

  public init(weightDecay: WeightDecay, partition: CellPartition, rank: Int) {
    self.weightDecay = weightDecay
    gradient = GradientSlice(partition, rank: rank)
    first = Buffer(count: partition.slice(of: rank).count)
    second = Buffer(count: first.count)
  }

  public func step(
    _ gradient: Span<Float>, updating parameters: inout MutableSpan<Float>, learningRate: Double,
    on world: Communicator, clock: PhaseClock, updated: (Range<Int>) throws -> Void
  ) throws -> StepOutcome {
    let outcome = try self.gradient.measure(
      gradient, decay: weightDecay, parameters: parameters, on: world, clock: clock)
    guard outcome.taken else { return outcome }
    try clock.time(.update) {
      powers = (powers.0 * Double(beta1), powers.1 * Double(beta2))
      let step = Float(learningRate / (1 - powers.0))
      let correction = Float(1 / (1 - powers.1).squareRoot())
      let remainder = weightDecay.remainder(learningRate: learningRate)
      let (g, m, v) = (self.gradient.slice, first.pointer, second.pointer)
      for cell in self.gradient.cells {
        for i in cell {
          m[i] = beta1 * m[i] + (1 - beta1) * g[i]
          v[i] = beta2 * v[i] + (1 - beta2) * (g[i] * g[i])
          let root = v[i].squareRoot() * correction
          parameters[i] = remainder * parameters[i] - step * m[i] / (root + epsilon)
        }
        try updated(cell)
      }
    }
    return outcome
  }
}
