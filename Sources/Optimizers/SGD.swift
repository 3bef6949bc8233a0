import LinearAlgebra
import MPI
import Sharding

/// Stochastic gradient descent with heavy-ball momentum: v ← μv + g; w ← w − ηv.
///
/// As PyTorch's `SGD` without dampening.
public final class SGD: ShardedOptimizer {
  private let momentum: Float
  private let weightDecay: WeightDecay
  private let gradient: GradientSlice
  private let velocity: Buffer<Float>

  /// - Parameter momentum: μ in [0, 1).
  public init(momentum: Float, weightDecay: WeightDecay, partition: CellPartition, rank: Int) {
    self.momentum = momentum
    self.weightDecay = weightDecay
    gradient = GradientSlice(partition, rank: rank)
    velocity = Buffer(count: partition.slice(of: rank).count)
  }

  public func step(
    _ gradient: Span<Float>, updating parameters: inout MutableSpan<Float>, learningRate: Double,
    on world: Communicator, clock: PhaseClock, updated: (Range<Int>) throws -> Void
  ) throws -> StepOutcome {
    let outcome = try self.gradient.measure(
      gradient, decay: weightDecay, parameters: parameters, on: world, clock: clock)
    guard outcome.taken else { return outcome }
    try clock.time(.update) {
      let (g, v) = (self.gradient.slice, velocity.pointer)
      let step = Float(learningRate)
      let remainder = weightDecay.remainder(learningRate: learningRate)
      for cell in self.gradient.cells {
        for i in cell {
          v[i] = momentum * v[i] + g[i]
          parameters[i] = remainder * parameters[i] - step * v[i]
        }
        try updated(cell)
      }
    }
    return outcome
  }
}
