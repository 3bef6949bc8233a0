import Curvature
import LinearAlgebra
import MPI
import Sharding

/// M-FAC, its window sharded over the ranks: steps along `F⁻¹g`, F the damped empirical Fisher
/// matrix of the last m gradients, the newest among them.
///
///     G [m, d/p]   the window: this rank's columns
///     K [m, m]     GGᵀ, the same bits on every rank
///     u [d/p]      this rank's slice of the direction F⁻¹g
///     v [d/p]      momentum: v ← μv + (1 − μ)u
///
/// What crosses the network in a step is one row of K, m numbers, and the gradient's norm.
/// Parameters of groups without M-FAC and those that stay zero are not columns of the window.
///
/// In a window of another form than the gradients', g is the gradient as it is stored, and F is
/// exact for it: rounded to bfloat16, or the largest entries of the gradient and of what earlier
/// ones left out. Error feedback sees to it that nothing is lost. That is how Modoranu, Kalinov,
/// Kurtic, Frantar and Alistarh ("Error Feedback Can Accurately Compress Preconditioners", 2024)
/// precondition.
///
/// Frantar, Kurtic and Alistarh, "M-FAC: Efficient matrix-free approximations of second-order
/// information", 2021: the dynamic algorithm.
public final class ShardedMFAC<Element: Scalar>: ShardedOptimizer {
  /// The settings that it was made with.
  public let configuration: MFACConfiguration
  package let fisher: DampedFisher<Element>
  private(set) var gradient: GradientSlice<Element>
  private(set) var columns: WindowColumns
  /// The window's columns of the gradient, then of the direction, and of the change; none where all
  /// are columns.
  private(set) var compacted: Buffer<Element>
  let partials: Buffer<Double>
  let direction: Buffer<Element>
  let velocity: Buffer<Element>

  var stepsTaken = 0
  var directionsTaken = 0
  /// λ, before it is made relative.
  var damping: Double
  /// Of the last direction that was taken from the window.
  var directionNorm = 0.0
  /// Whether the last step's gradient is in the window.
  var hasInserted = false
  /// Whether random gradients are in the window, to time steps; their Gram matrix is not known, and
  /// so nothing of digits.
  var isFilledAtRandom = false
  /// Whether the user knows that λ disappears beside the gradients.
  private var hasWarned = false

  /// - Parameter clipNorm: the largest norm that a gradient keeps, or nil.
  public init(
    _ configuration: MFACConfiguration, clipNorm: Double? = nil,
    groups: ParameterGroups = ParameterGroups(), partition: CellPartition, rank: Int
  ) {
    self.configuration = configuration
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
    partials = Buffer(count: slice.cells.count * (configuration.window + 2))
    direction = Buffer(count: slice.count)
    velocity = Buffer(count: configuration.momentum > 0 ? slice.count : 0)
    damping = configuration.damping
  }

  /// A step of the algorithm: insert, precondition, apply. Steps at intervals are `stepBetween`'s.
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
        gradient, updating: &parameters, learningRate: learningRate, on: world, clock: clock,
        updated: updated)
    }
    let row = try observe(gradient, parameters, inserting: true, on: world, clock: clock)
    var outcome = StepOutcome(gradientNorm: row.norm)
    guard outcome.wasApplied else { return outcome }
    (stepsTaken, directionsTaken) = (stepsTaken + 1, directionsTaken + 1)
    outcome.notice = try clock.time(.solve) { try insert(row) }
    let direction = try clock.time(.direction, reading: windowBytes) {
      try precondition(row, isInserted: true, on: world, clock: clock) { cells in
        try clock.time(.update) {
          try apply(to: &parameters, of: cells, learningRate: learningRate, updated: updated)
        }
      }
    }
    outcome.damping = fisher.damping
    outcome.direction = DirectionMeasure(direction, gradientSquare: row.inWindow + row.outside)
    return outcome
  }

  /// The window loses the columns of parameters that stay zero from now on, and has columns of
  /// zeros for those that no longer do; K is made anew of what it then holds.
  @specialized(where Element == Float)
  @specialized(where Element == Double)
  public func updateZeros(
    _ groups: ParameterGroups, partition: CellPartition, on world: Communicator
  ) throws {
    gradient.updateZeros(groups, partition, rank: world.rank)
    if velocity.count > 0 { gradient.parameters.clearZeros(of: velocity.all) }
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

  /// `F⁻¹x` for a vector x that is not in the window: this rank's slice of it. Collective.
  ///
  /// For `x = αgⱼ + y` with a gradient of the window, ask for y alone; see
  /// `DampedFisher.inverseProduct`. Where a parameter is not a column of the window, F has λ alone.
  ///
  /// - Parameters:
  ///   - x: this rank's slice, shape [d/p].
  ///   - result: this rank's slice, shape [d/p], overwritten.
  @specialized(where Element == Float)
  @specialized(where Element == Double)
  public func inverseProduct(
    _ x: Span<Element>, into result: inout MutableSpan<Element>, on world: Communicator
  ) throws {
    try x.withUnsafeBufferPointer { x in
      let inWindow = compact(x)
      let products = try self.products(with: inWindow, on: world, clock: PhaseClock())
      result.withUnsafeMutableBufferPointer { result in
        guard !columns.areAll else {
          fisher.inverseProduct(x, products: products, into: result)
          return
        }
        fisher.inverseProduct(inWindow, products: products, into: compacted.all)
        for i in x.indices { result[i] = Element(Double(x[i]) / fisher.damping) }
        for cell in columns.cells.indices {
          columns.scatter(inWindow, ofCell: cell, into: result)
        }
      }
    }
  }

  /// What the window sees of the gradient.
  var seen: UnsafeBufferPointer<Element> {
    columns.areAll ? gradient.slice : UnsafeBufferPointer(compacted.all)
  }

  /// The window's columns of a vector of the slice: the vector itself where all are columns, else
  /// in `compacted`.
  func compact(_ x: UnsafeBufferPointer<Element>) -> UnsafeBufferPointer<Element> {
    guard !columns.areAll else { return x }
    columns.gather(x, into: compacted.all)
    return UnsafeBufferPointer(compacted.all)
  }

  /// What one pass over the window reads.
  var windowBytes: Int {
    GradientWindow<Element>.rowBytes(
      capacity: fisher.window.filled, cells: columns.cells, form: configuration.windowForm)
  }

  /// What a step sees of its gradient g, the same on all ranks.
  struct GramRow {
    /// ‖g‖, before clipping; not finite where the step is to be left out.
    let norm: Double
    /// The products of g with the window's gradients and, in the form in which it will be stored,
    /// with itself, where it is to be inserted.
    let products: [Double]
    /// ‖g‖² over the window's columns, as it will be stored; of all of it where it is not inserted.
    var inWindow: Double
    /// ‖g‖² over the parameters kept out of the window.
    let outside: Double
  }

  /// Takes over the gradient, and sums the new row of the Gram matrix over the ranks.
  ///
  /// Every rank sees the same, before the window is touched. A finite gradient may be beyond what
  /// the window holds, and one with weight decay that is not finite may have been before.
  ///
  /// - Parameter isNeeded: whether the window is read; else g's norm is all.
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

  /// The products of a vector of the window's columns with the window's gradients.
  func products(
    with x: UnsafeBufferPointer<Element>, on world: Communicator, clock: PhaseClock
  ) throws -> [Double] {
    let width = fisher.window.width(inserting: false)
    clock.time(.gramRow, reading: windowBytes) {
      fisher.window.partialProducts(with: x, inserting: false, into: partials, stride: width)
    }
    return try total(width: width, on: world, clock: clock)
  }

  /// The sum over all cells of what stands in `partials`.
  func total(width: Int, on world: Communicator, clock: PhaseClock) throws -> [Double] {
    try clock.time(.sum) {
      try gradient.sum.total(
        of: partials[0..<gradient.cells.count * width], width: width, on: world)
    }
  }

  /// Puts the new gradient into the window, on all ranks alike, with this step's λ.
  ///
  /// - Returns: what the user should know of it.
  func insert(_ row: GramRow) throws -> Diagnostic? {
    try follow(row.inWindow)
    hasInserted = true
    let wasMaintained = fisher.isFactorMaintained
    try named { try fisher.insert(seen, products: row.products) }
    if wasMaintained, !fisher.isFactorMaintained {
      return """
        the Gram matrix's factor has lost digits from step to step, and is made anew in each from \
        now on, in O(m³) (a larger \(setting: "damping") would keep it)
        """
    }
    let error = fisher.factorError
    guard error > 1e-3, !hasWarned else { return nil }
    hasWarned = true
    return """
      λ \(fisher.damping) disappears beside the window's gradients: fewer than three digits of a \
      direction may be left (\(setting: "damping-relative") ties λ to their size; standardised \
      targets and a larger \(setting: "damping") help too)
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
      numbers: fisher.numbers.merging([
        "steps_taken": Double(stepsTaken), "directions_taken": Double(directionsTaken),
        "damping": damping, "direction_norm": directionNorm,
      ]) { $1 })
    state.shared = fisher.arrays
    state.window = columns.cells.indices.map(fisher.window.arrays(ofCell:))
    if velocity.count > 0 {
      state.momentum = gradient.cells.map { [velocity.array("velocity", $0)] }
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
    if hasWindow { try fisher.resume(numbers) }
  }
}
