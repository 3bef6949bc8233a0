import Curvature
import LinearAlgebra
import MPI
import Sharding

extension ShardedMFAC {
  /// The settings of M-FAC, the same on all ranks.
  public struct Configuration: Sendable, Equatable {
    /// m.
    public var window: Int
    /// How the window keeps its gradients.
    public var windowForm: WindowForm
    /// λ, to begin with.
    public var damping: Double
    /// How λ goes on.
    public var dampingRule = DampingRule()
    /// μ in [0, 1).
    public var momentum: Float
    /// Of all parameters without a rate of their group's.
    public var weightDecay: WeightDecay
    /// I: the gradient of every I-th step goes into the window. Those between are preconditioned with
    /// it beside the window's, as if they were in it for that step.
    public var insertEvery = 1
    /// P: every P-th step takes its direction from the window. The steps between go along their own
    /// gradient, as far as the last of these: u = ‖F⁻¹g′‖·g/‖g‖, the length of one method on the
    /// direction of another (Agarwal, Anil, Hazan, Koren and Zhang, 2020). They have no pass over the
    /// window but that of an insertion.
    public var preconditionEvery = 1

    /// - Parameters:
    ///   - window: m > 0.
    ///   - damping: λ > 0, to begin with.
    ///   - momentum: μ in [0, 1).
    public init(
      window: Int = 256, windowForm: WindowForm = WindowForm(), damping: Double = 1e-4,
      momentum: Float = 0, weightDecay: WeightDecay = .coupled(0)
    ) {
      self.window = window
      self.windowForm = windowForm
      self.damping = damping
      self.momentum = momentum
      self.weightDecay = weightDecay
    }
  }

  /// Bytes that the optimizer holds on a rank: the window and what is of size m² or d/p.
  public static func bytes(
    _ configuration: Configuration, groups: ParameterGroups = ParameterGroups(),
    partition: CellPartition, rank: Int
  ) -> Int {
    let m = configuration.window
    let slice = ParameterSlice(partition, rank: rank, groups: groups)
    let columns = WindowColumns(of: slice)
    let slices =
      2 + (configuration.momentum > 0 ? 1 : 0)
      + (configuration.dampingRule.levenbergMarquardt == nil ? 0 : 1)
    return GradientWindow.bytes(capacity: m, cells: columns.cells, form: configuration.windowForm)
      + 4 * slices * slice.count + (columns.areAll ? 0 : 4 * columns.count) + slice.bytes
      + columns.bytes + 8 * (m + 2) * slice.cells.count + DampedFisher.bytes(capacity: m)
  }
}

extension ShardedMFAC.Configuration: CustomStringConvertible {
  public var description: String {
    "m = \(window) gradients" + (windowForm == WindowForm() ? "" : " in \(windowForm)")
      + ", damping \(damping)"
  }
}

/// A damping so small that K + mλI is not positive definite in double precision. All ranks have the
/// same K, and see it together.
public struct DampingTooSmall: SharedError, CustomStringConvertible {
  /// λ.
  public let damping: Double
  /// m.
  public let window: Int
  /// The factorization that failed.
  public let cause: NotPositiveDefinite

  public var description: String {
    """
    --damping \(damping) is too small for the gradients of the window (--window \(window)): with \
    shift mλ = \(cause.shift) the leading minor \(cause.minor) of the Gram matrix of order \
    \(cause.order) is not positive
    """
  }
}

extension ShardedMFAC.Configuration {
  /// Steps after which insertions, directions and comparisons of λ begin again.
  package var period: Int {
    leastCommonMultiple(
      insertEvery, preconditionEvery * (dampingRule.levenbergMarquardt?.every ?? 1))
  }
}
