import Curvature
import LinearAlgebra
import MPI
import Sharding

/// A damping so small that K + mλI is not positive definite in double precision. All ranks have the
/// same K, and see it together.
public struct DampingTooSmall: SharedError, CustomStringConvertible {
  public let damping: Double
  public let window: Int
  public let cause: NotPositiveDefinite

  public var description: String {
    """
    --damping \(damping) is too small for the gradients of the window (--window \(window)): with \
    shift mλ = \(cause.shift) the leading minor \(cause.minor) of the Gram matrix of order \
    \(cause.order) is not positive
    """
  }
}

/// M-FAC, its window sharded over the ranks: steps along `F⁻¹g`, F the damped empirical Fisher matrix
/// of the last m gradients, the newest among them.
///
///   G [m, d/p]   the window: this rank's columns
///   K [m, m]     GGᵀ, the same bits on every rank
///   u [d/p]      this rank's slice of the direction F⁻¹g
///   v [d/p]      momentum: v ← μv + (1 − μ)u
///
/// What crosses the network in a step is one row of K, m numbers, and the gradient's norm.
///
/// In a window of another form than the gradients', g is the gradient as it is stored, and F is exact
/// for it: rounded to bfloat16, or the largest entries of the gradient and of what earlier ones left
/// out. Error feedback sees to it that nothing is lost. That is how Modoranu, Kalinov, Kurtic, Frantar
/// and Alistarh ("Error Feedback Can Accurately Compress Preconditioners", 2024) precondition.
///
/// Frantar, Kurtic and Alistarh, "M-FAC: Efficient matrix-free approximations of second-order
/// information", 2021: the dynamic algorithm.
public final class MFAC: ShardedOptimizer {
  public struct Configuration: Sendable, Equatable {
    /// m.
    public var window: Int
    /// Of the numbers that the window holds.
    public var windowType: RowType
    /// The share of the coordinates that it holds, in (0, 1].
    public var windowDensity: Double
    /// λ.
    public var damping: Double
    /// μ in [0, 1).
    public var momentum: Float
    public var weightDecay: WeightDecay

    public init(
      window: Int = 256, windowType: RowType = .float32, windowDensity: Double = 1,
      damping: Double = 1e-4, momentum: Float = 0,
      weightDecay: WeightDecay = .coupled(0)
    ) {
      self.window = window
      self.windowType = windowType
      self.windowDensity = windowDensity
      self.damping = damping
      self.momentum = momentum
      self.weightDecay = weightDecay
    }

    var form: WindowForm { WindowForm(type: windowType, density: windowDensity) }
  }

  public let configuration: Configuration
  package let fisher: DampedFisher
  private let gradient: GradientSlice
  private let partials: Buffer<Double>
  private let direction: Buffer<Float>
  private let velocity: Buffer<Float>

  public init(_ configuration: Configuration, partition: CellPartition, rank: Int) {
    self.configuration = configuration
    gradient = GradientSlice(partition, rank: rank)
    fisher = DampedFisher(
      window: GradientWindow(
        capacity: configuration.window, cells: gradient.cells, form: configuration.form),
      damping: configuration.damping)
    partials = Buffer(count: gradient.cells.count * (configuration.window + 1))
    direction = Buffer(count: partition.slice(of: rank).count)
    velocity = Buffer(count: configuration.momentum > 0 ? direction.count : 0)
  }

  /// Bytes that the optimizer holds on a rank: the window and what is of size m² or d/p.
  public static func bytes(
    _ configuration: Configuration, partition: CellPartition, rank: Int
  ) -> Int {
    let m = configuration.window
    let cells = partition.cellsInSlice(of: rank)
    let slices = configuration.momentum > 0 ? 3 : 2
    return GradientWindow.bytes(capacity: m, cells: cells, form: configuration.form)
      + 4 * slices * partition.slice(of: rank).count + 8 * (m + 1) * cells.count
      + DampedFisher.bytes(capacity: m)
  }

  public func step(
    _ gradient: Span<Float>, updating parameters: inout MutableSpan<Float>, learningRate: Double,
    on world: Communicator, clock: PhaseClock, updated: (Range<Int>) throws -> Void
  ) throws -> StepOutcome {
    let (products, square) = try gramRow(
      of: gradient, parameters: parameters, on: world, clock: clock)
    // Every rank sees the same, before the window is touched. A finite gradient may be beyond what the
    // window holds.
    let isStorable = products[fisher.window.oldest].isFinite
    var outcome = StepOutcome(gradientNorm: isStorable ? square.squareRoot() : .infinity)
    guard outcome.taken else { return outcome }

    let wasMaintained = fisher.isFactorMaintained
    let slot = try clock.time(.solve) { try insert(products) }
    if wasMaintained, !fisher.isFactorMaintained {
      outcome.notice = """
        the Gram matrix's factor has lost digits from step to step, and is made anew in each from now \
        on, in O(m³) (a larger --damping would keep it)
        """
    }
    // Cells are updated while their direction is in the cache, several in one go.
    var made: [Range<Int>] = []
    try clock.time(.direction, reading: windowBytes) {
      try fisher.direction(forSlot: slot, into: direction.all) { cell in
        made.append(cell)
        guard cell.upperBound == direction.count || cell.upperBound - made[0].lowerBound >= 1 << 15
        else { return }
        try clock.time(.update) {
          update(made, of: &parameters, learningRate: learningRate)
          try updated(made[0].lowerBound..<cell.upperBound)
        }
        made = []
      }
    }
    return outcome
  }

  /// `F⁻¹x` for a vector x that is not in the window: this rank's slice of it. Collective.
  ///
  /// For `x = αgⱼ + y` with a gradient of the window, ask for y alone; see
  /// `DampedFisher.inverseProduct`.
  ///
  /// - Parameters:
  ///   - x: this rank's slice, shape [d/p].
  ///   - result: this rank's slice, shape [d/p], overwritten.
  public func inverseProduct(
    _ x: Span<Float>, into result: inout MutableSpan<Float>, on world: Communicator
  ) throws {
    let width = fisher.window.width(inserting: false)
    let used = partials[0..<gradient.cells.count * width]
    try x.withUnsafeBufferPointer { x in
      fisher.window.partialProducts(with: x, inserting: false, into: partials, stride: width)
      let products = try gradient.sum.total(of: used, width: width, on: world)
      result.withUnsafeMutableBufferPointer {
        fisher.inverseProduct(x, products: products, into: $0)
      }
    }
  }

  /// What one pass over the window reads.
  private var windowBytes: Int {
    GradientWindow.rowBytes(
      capacity: fisher.window.filled, cells: gradient.cells, form: configuration.form)
  }

  /// Puts the new gradient into the window, on all ranks alike.
  private func insert(_ products: [Double]) throws -> Int {
    do {
      return try fisher.insert(gradient.slice, products: products)
    } catch let error as NotPositiveDefinite {
      throw DampingTooSmall(
        damping: configuration.damping, window: configuration.window, cause: error)
    }
  }

  /// The products of the new gradient, as it will be stored, with the window's and with itself; and the
  /// square of its norm, of all of it.
  private func gramRow(
    of gradient: Span<Float>, parameters: borrowing MutableSpan<Float>, on world: Communicator,
    clock: PhaseClock
  ) throws -> (products: [Double], square: Double) {
    let width = fisher.window.width(inserting: true)
    clock.time(.gramRow, reading: windowBytes) {
      self.gradient.load(gradient, decay: configuration.weightDecay, parameters: parameters)
      self.gradient.writeSquares(into: partials.pointer + width, stride: width + 1)
      fisher.window.stage(self.gradient.mutableSlice)
      fisher.window.partialProducts(
        with: self.gradient.slice, inserting: true, into: partials, stride: width + 1)
    }
    return try clock.time(.sum) {
      let sums = try self.gradient.sum.total(
        of: partials[0..<self.gradient.cells.count * (width + 1)], width: width + 1, on: world)
      return (Array(sums.dropLast()), sums[width])
    }
  }

  /// v ← μv + (1 − μ)u; w ← w − ηv.
  private func update(
    _ cells: [Range<Int>], of parameters: inout MutableSpan<Float>, learningRate: Double
  ) {
    let step = Float(learningRate)
    let remainder = configuration.weightDecay.remainder(learningRate: learningRate)
    let momentum = configuration.momentum
    for cell in cells {
      if momentum > 0 {
        let (u, v) = (direction.pointer, velocity.pointer)
        for i in cell {
          v[i] = momentum * v[i] + (1 - momentum) * u[i]
          u[i] = v[i]
        }
      }
      for i in cell { parameters[i] = remainder * parameters[i] - step * direction.pointer[i] }
    }
  }
}
