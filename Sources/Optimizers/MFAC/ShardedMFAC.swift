import Curvature
import LinearAlgebra
import MPI
import Sharding

/// Steps along `F⁻¹g` by M-FAC, with a window sharded over the ranks. F is the damped empirical
/// Fisher matrix of the last m gradients, including the newest.
///
///     G [m, d/p]   the window: this rank's columns
///     K [m, m]     GGᵀ, the same bits on every rank
///     u [d/p]      this rank's slice of the direction F⁻¹g
///     v [d/p]      momentum: v ← μv + (1 − μ)u
///
/// In the metric of Adam the window holds h = g/√s, and the direction is λF⁻¹h/√s: see
/// `DiagonalMetric`. With a history, g is replaced by a moving average of the window's gradients:
/// see `HistoryWeights`. With a bound on the change of the loss, the direction is multiplied by
/// min(1, √(κ/f)/η), where f = ‖Gu‖²/m.
///
/// A step sends one row of K, m numbers, and the gradient's norm over the network. Parameters of
/// groups without M-FAC, and those that stay zero, are not columns of the window.
///
/// If the window stores gradients in another form, g is the gradient as stored, and F is exact for
/// it. The window rounds to bfloat16, or stores the largest entries of the gradient plus the
/// residual of earlier ones. Error feedback ensures that nothing is lost; Modoranu, Kalinov,
/// Kurtic, Frantar and Alistarh, "Error Feedback Can Accurately Compress Preconditioners", 2024.
///
/// Frantar, Kurtic and Alistarh, "M-FAC: Efficient matrix-free approximations of second-order
/// information", 2021: the dynamic algorithm.
public final class ShardedMFAC<Element: Scalar>: ShardedOptimizer {
  public let configuration: MFACConfiguration
  package let fisher: DampedFisher<Element>
  private(set) var gradient: GradientSlice<Element>
  private(set) var columns: WindowColumns
  /// The window's columns of the gradient, then of the direction, then of the change; empty if all
  /// parameters are columns.
  private(set) var compacted: Buffer<Element>
  let metric: DiagonalMetric<Element>?
  let measuresDirection: Bool
  let partials: Buffer<Double>
  let direction: Buffer<Element>
  let velocity: Buffer<Element>

  var stepsTaken = 0
  var directionsTaken = 0
  /// λ before relative scaling.
  var damping: Double
  /// ‖u‖ of the last direction from the window; in the window's coordinates.
  var directionNorm = 0.0
  /// The same, of this step's direction as planned.
  var plannedNorm = 0.0
  var bound: BoundedChange
  /// The factor by which the bound has shortened the last direction; nil without a bound.
  var rateFactor: Double?
  /// True if the last step's gradient is in the window.
  var hasInserted = false
  /// True if the window holds random gradients for timing. Their Gram matrix is unknown, and so are
  /// the errors of directions.
  var isFilledAtRandom = false
  /// True after the warning that λ is negligible against the gradients.
  private var hasWarned = false

  /// Creates the optimizer's part on this rank.
  ///
  /// - Parameters:
  ///   - clipNorm: gradients with a larger norm are scaled down to it; nil: no clipping.
  ///   - measuresDirection: whether step outcomes include the direction also in the metric of Adam,
  ///     where this takes one more sum over the ranks per step.
  public init(
    _ configuration: MFACConfiguration, clipNorm: Double? = nil,
    groups: ParameterGroups = ParameterGroups(), measuresDirection: Bool = false,
    partition: CellPartition, rank: Int
  ) {
    self.configuration = configuration
    self.measuresDirection = measuresDirection
    bound = BoundedChange(configuration.changeBound)
    gradient = GradientSlice(
      groups, decay: configuration.weightDecay, clipNorm: clipNorm, partition: partition, rank: rank
    )
    let slice = gradient.parameters
    columns = WindowColumns(of: slice)
    fisher = DampedFisher(
      window: GradientWindow(
        capacity: configuration.window, cells: columns.cells, form: configuration.windowForm),
      damping: configuration.damping)
    compacted = Buffer(count: columns.areAll ? 0 : columns.count)
    metric = configuration.metric.map { DiagonalMetric($0, count: slice.count) }
    partials = Buffer(count: slice.cells.count * (configuration.window + 2))
    direction = Buffer(count: slice.count)
    velocity = Buffer(count: configuration.momentum > 0 ? slice.count : 0)
    damping = configuration.damping
  }

  /// Takes a step: insert, precondition, apply. `stepBetween` takes steps with intervals.
  @specialized(where Element == Float)
  @specialized(where Element == Double)
  public func step(
    _ gradient: Span<Element>, updating parameters: inout MutableSpan<Element>,
    learningRate: Double,
    model: QuadraticModel<Element>?, on world: Communicator, clock: PhaseClock,
    updated: (Range<Int>) throws -> Void
  ) throws -> StepOutcome {
    guard configuration.insertEvery == 1, configuration.preconditionEvery == 1 else {
      return try stepBetween(
        gradient, updating: &parameters, learningRate: learningRate, model: model, on: world,
        clock: clock, updated: updated)
    }
    let row = try observe(gradient, parameters, inserting: true, on: world, clock: clock)
    var outcome = StepOutcome(gradientNorm: row.norm)
    guard outcome.wasApplied else { return outcome }
    accept(model)
    directionsTaken += 1
    outcome.notice = try clock.time(.solve) { try insert(row) }
    let direction = try clock.time(.direction, reading: windowBytes) {
      try precondition(
        row, isInserted: true, learningRate: learningRate, on: world, clock: clock
      ) { cells in
        try clock.time(.update) {
          try apply(to: &parameters, of: cells, learningRate: learningRate, updated: updated)
        }
      }
    }
    outcome.damping = fisher.damping
    outcome.direction = direction
    outcome.rateFactor = rateFactor
    return outcome
  }

  /// Adopts what a step's gradient and loss change beside the window.
  func accept(_ model: QuadraticModel<Element>?) {
    stepsTaken += 1
    metric?.commit()
    bound.follow(model?.loss)
  }

  /// Removes the columns of parameters that now stay zero, and adds zero columns for those that no
  /// longer do. K is recomputed from the resulting window.
  @specialized(where Element == Float)
  @specialized(where Element == Double)
  public func updateZeros(
    _ groups: ParameterGroups, partition: CellPartition, on world: Communicator
  ) throws {
    gradient.updateZeros(groups, partition, rank: world.rank)
    if velocity.count > 0 { gradient.parameters.clearZeros(of: velocity.all) }
    metric?.clearZeros(gradient.parameters)
    let before = columns
    columns = WindowColumns(of: gradient.parameters)
    compacted = Buffer(count: columns.areAll ? 0 : columns.count)
    let window = GradientWindow<Element>(
      fisher.window, cells: columns.cells, columns: columns.places(in: before))
    let first = gradient.sum.share.lowerBound
    let products = try gradient.sum.total(width: window.filled * window.filled, on: world) {
      window.writeProducts(ofCell: $0 - first, into: $1)
    }
    try named { try fisher.replaceWindow(with: window, products: products) }
  }

  /// Computes this rank's slice of `F⁻¹x` for a vector x that is not in the window. Collective.
  ///
  /// For `x = αgⱼ + y` with a gradient gⱼ of the window, pass y alone; see
  /// `DampedFisher.inverseProduct`. For a parameter that is not a column of the window, F is λ
  /// alone. In the metric of Adam F is λD + GᵀG/m.
  ///
  /// - Parameters:
  ///   - x: this rank's slice, shape [d/p].
  ///   - result: this rank's slice, shape [d/p], overwritten.
  @specialized(where Element == Float)
  @specialized(where Element == Double)
  public func inverseProduct(
    _ x: Span<Element>, into result: inout MutableSpan<Element>, on world: Communicator
  ) throws {
    try result.withUnsafeMutableBufferPointer { result in
      for i in result.indices { result[i] = x[i] }
      metric?.divide(result, result.indices)
      let x = UnsafeBufferPointer(result)
      let inWindow = compact(x)
      let products = try self.products(with: inWindow, on: world, clock: PhaseClock())
      if columns.areAll {
        fisher.inverseProduct(x, products: products, into: result)
      } else {
        fisher.inverseProduct(inWindow, products: products, into: compacted.all)
        for i in x.indices { result[i] = Element(Double(x[i]) / fisher.damping) }
        for cell in columns.cells.indices {
          columns.scatter(inWindow, ofCell: cell, into: result)
        }
      }
      metric?.divide(result, result.indices)
    }
  }

  /// The gradient's entries for the window's columns.
  var seen: UnsafeBufferPointer<Element> {
    columns.areAll ? gradient.slice : UnsafeBufferPointer(compacted.all)
  }

  /// Returns the window's columns of a vector of the slice: the vector itself if all parameters are
  /// columns, else a copy in `compacted`.
  func compact(_ x: UnsafeBufferPointer<Element>) -> UnsafeBufferPointer<Element> {
    guard !columns.areAll else { return x }
    columns.gather(x, into: compacted.all)
    return UnsafeBufferPointer(compacted.all)
  }

  /// Bytes that one pass over the window reads.
  var windowBytes: Int {
    GradientWindow<Element>.rowBytes(
      capacity: fisher.window.filled, cells: columns.cells, form: configuration.windowForm)
  }

  /// Holds a step's inner products with its gradient g, the same on all ranks.
  struct GramRow {
    /// ‖g‖ before clipping; not finite if the step must be skipped.
    let norm: Double
    /// Inner products of g with the window's gradients. If g will be inserted, they include its
    /// product with itself in the stored form.
    let products: [Double]
    /// ‖g‖² over the window's columns, in the stored form and the metric. If g is not inserted, it
    /// is that of all parameters in their own coordinates.
    var inWindow: Double
    /// ‖g‖² over the parameters kept out of the window.
    let outside: Double
  }

  /// Loads the gradient, and sums the new row of the Gram matrix over the ranks.
  ///
  /// Every rank obtains the same row before the window changes. A finite gradient is also rejected
  /// if it overflows the window's type, its squares overflow the metric, or it becomes non-finite
  /// with weight decay.
  ///
  /// - Parameter isNeeded: whether the window is read; if not, the row holds only norms.
  func observe(
    _ gradient: Span<Element>, _ parameters: borrowing MutableSpan<Element>, inserting: Bool,
    isNeeded: Bool = true, on world: Communicator, clock: PhaseClock
  ) throws -> GramRow {
    let clipped = try clock.time(self.gradient.clips ? .sum : .gramRow) {
      try self.gradient.load(gradient, parameters: parameters, on: world)
    }
    if let clipped, !clipped.isFinite {
      return GramRow(norm: clipped, products: [], inWindow: clipped, outside: 0)
    }
    let width = isNeeded ? fisher.window.width(inserting: inserting) : 0
    let hasOutside = self.gradient.parameters.hasOutside
    let stride = width + (hasOutside ? 2 : 1)
    clock.time(.gramRow, reading: isNeeded ? windowBytes : 0) {
      self.gradient.writeSquares(into: partials.pointer + width, stride: stride)
      if hasOutside {
        self.gradient.writeDots(
          with: self.gradient.slice, hasCurvature: false, into: partials.pointer + width + 1,
          stride: stride)
      }
      if let metric {
        for cell in self.gradient.cells.indices {
          let square = partials.pointer + cell * stride + width
          if square.pointee > Double(Element.greatestFiniteMagnitude) { square.pointee = .infinity }
        }
        metric.scale(self.gradient.mutableSlice, cells: self.gradient.cells)
      }
      _ = compact(self.gradient.slice)
      if inserting {
        fisher.window.stage(columns.areAll ? self.gradient.mutableSlice : compacted.all)
      }
      guard isNeeded else { return }
      fisher.window.partialProducts(
        with: seen, inserting: inserting, into: partials, stride: stride)
    }
    let sums = try total(width: stride, on: world, clock: clock)
    let square = sums[width]
    let inWindow = inserting ? sums[fisher.window.oldest] : square
    return GramRow(
      norm: square.isFinite && inWindow.isFinite ? (clipped ?? square).squareRoot() : .infinity,
      products: Array(sums[..<width]), inWindow: inWindow, outside: hasOutside ? sums[width + 1] : 0
    )
  }

  /// Returns the products of a vector of the window's columns with the window's gradients.
  /// Collective.
  func products(
    with x: UnsafeBufferPointer<Element>, on world: Communicator, clock: PhaseClock
  ) throws -> [Double] {
    let width = fisher.window.width(inserting: false)
    clock.time(.gramRow, reading: windowBytes) {
      fisher.window.partialProducts(with: x, inserting: false, into: partials, stride: width)
    }
    return try total(width: width, on: world, clock: clock)
  }

  /// Returns the sum of `partials` over all cells. Collective.
  func total(width: Int, on world: Communicator, clock: PhaseClock) throws -> [Double] {
    try clock.time(.sum) {
      try gradient.sum.total(
        of: partials[0..<gradient.cells.count * width], width: width, on: world)
    }
  }

  /// Inserts the new gradient into the window with this step's λ, identically on all ranks.
  ///
  /// - Returns: a message for the user, if any.
  func insert(_ row: GramRow) throws -> Diagnostic? {
    try follow(row.inWindow)
    hasInserted = true
    let wasMaintained = fisher.isFactorMaintained
    try named { try fisher.insert(seen, products: row.products) }
    if wasMaintained, !fisher.isFactorMaintained {
      return """
        the updates of the Gram matrix's factor have lost digits: from now on each step factors \
        it again, in O(m³) (a larger \(setting: "damping") would avoid this)
        """
    }
    let error = fisher.factorError
    guard error > 1e-3, !hasWarned else { return nil }
    hasWarned = true
    return """
      λ \(fisher.damping) is negligible against the window's gradients: a direction may have fewer \
      than three correct digits (\(setting: "damping-relative") scales λ with the gradients; \
      standardized targets and a larger \(setting: "damping") help too)
      """
  }

  func named(_ body: () throws -> Void) throws {
    do {
      try body()
    } catch let error as NotPositiveDefinite {
      throw DampingTooSmall(
        damping: fisher.wantedDamping, window: configuration.window, cause: error)
    }
  }
}

extension ShardedMFAC {
  public var state: OptimizerState {
    var state = OptimizerState(
      numbers: fisher.numbers.merging(
        [
          "steps_taken": Double(stepsTaken), "directions_taken": Double(directionsTaken),
          "damping": damping, "direction_norm": directionNorm,
        ].merging(metric?.numbers ?? [:]) { $1 }.merging(bound.numbers) { $1 }
      ) { $1 })
    state.shared = fisher.arrays
    state.window = columns.cells.indices.map(fisher.window.arrays(ofCell:))
    if velocity.count > 0 || metric != nil {
      state.momentum = gradient.cells.map { cell in
        (velocity.count > 0 ? [velocity.array("velocity", cell)] : [])
          + (metric.map { [$0.array(cell)] } ?? [])
      }
    }
    return state
  }

  public func resume(_ numbers: [String: Double], hasWindow: Bool) throws {
    stepsTaken = try numbers.storedCount("steps_taken")
    directionsTaken = try numbers.storedCount("directions_taken")
    damping = try numbers.stored("damping")
    guard damping > 0 else {
      throw StoredArrayError("damping: expected a number above 0, got \(damping)")
    }
    directionNorm = try numbers.stored("direction_norm")
    try metric?.resume(numbers)
    try bound.resume(numbers)
    if hasWindow { try fisher.resume(numbers) }
  }
}
