import Curvature
import LinearAlgebra
import MPI
import Sharding

/// M-FAC, its window sharded over the ranks: steps along `F⁻¹g`, F the damped empirical Fisher matrix
/// of the last m gradients, the newest among them.
///
///   G [m, d/p]   the window: this rank's columns
///   K [m, m]     GGᵀ, the same bits on every rank
///   u [d/p]      this rank's slice of the direction F⁻¹g
///   v [d/p]      momentum: v ← μv + (1 − μ)u
///
/// What crosses the network in a step is one row of K, m numbers. Parameters of groups without M-FAC
/// and those that stay zero are not columns of the window.
///
/// Frantar, Kurtic and Alistarh, "M-FAC: Efficient matrix-free approximations of second-order
/// information", 2021: the dynamic algorithm.
public final class MFAC: ShardedOptimizer {
  public let configuration: Configuration
  let fisher: DampedFisher
  let gradient: GradientSlice
  let columns: WindowColumns
  /// The window's columns of the gradient, and then of the direction; none where all are columns.
  let compacted: Buffer<Float>
  private let partials: Buffer<Double>
  let direction: Buffer<Float>
  let velocity: Buffer<Float>
  /// The parameters before a step whose change of the loss is predicted, and then the change in them.
  let change: Buffer<Float>

  var stepsTaken = 0
  private var directionsTaken = 0
  /// λ, before it is made relative.
  var damping: Double
  /// Of the last direction that was taken from the window.
  var directionNorm = 0.0
  var predictedChange = 0.0

  /// - Parameter clipNorm: the largest norm that a gradient keeps, or nil.
  public init(
    _ configuration: Configuration, clipNorm: Double? = nil,
    groups: ParameterGroups = ParameterGroups(), partition: CellPartition, rank: Int
  ) {
    self.configuration = configuration
    let slice = ParameterSlice(partition, rank: rank, groups: groups)
    gradient = GradientSlice(
      slice, decay: configuration.weightDecay, clipNorm: clipNorm, partition: partition, rank: rank)
    columns = WindowColumns(of: slice)
    fisher = DampedFisher(
      window: GradientWindow(capacity: configuration.window, cells: columns.cells),
      damping: configuration.damping)
    compacted = Buffer(count: columns.areAll ? 0 : columns.count)
    partials = Buffer(count: slice.cells.count * configuration.window)
    direction = Buffer(count: slice.count)
    velocity = Buffer(count: configuration.momentum > 0 ? slice.count : 0)
    change = Buffer(count: configuration.comparesLoss ? slice.count : 0)
    damping = configuration.damping
  }

  public func step(
    _ gradient: Span<Float>, updating parameters: inout MutableSpan<Float>, learningRate: Double,
    on world: Communicator, clock: inout PhaseClock, updated: (Range<Int>) throws -> Void
  ) throws -> StepOutcome {
    let inserts = stepsTaken % configuration.insertEvery == 0
    let preconditions = stepsTaken % configuration.preconditionEvery == 0
    // Where g·g is not an entry of the Gram row, or not all of it.
    let measures = !inserts || !columns.areAll
    let measured = try clock.time(measures || self.gradient.clips ? .sum : .gramRow) {
      try self.gradient.load(gradient, parameters: parameters, measuring: measures, on: world)
    }
    if let measured, !measured.isFinite { return StepOutcome(gradientNorm: measured) }
    let x = columns.areAll ? self.gradient.slice : gathered()
    var products: [Double]?
    if inserts || preconditions {
      products = try self.products(with: x, inserting: inserts, on: world, clock: &clock)
    }
    // g·g stands at the slot where g will go: every rank sees the same, before the slot is written.
    let square = inserts ? products![fisher.window.oldest] : nil
    var outcome = StepOutcome(gradientNorm: (measured ?? square!).squareRoot())
    guard outcome.taken, square?.isFinite ?? true else { return outcome }
    stepsTaken += 1
    if preconditions { directionsTaken += 1 }

    try clock.time(.solve) {
      try follow(square)
      outcome.notice = try inserts ? insert(x, products!) : nil
    }
    // Clipping measures another norm, and parameters outside the window add to it.
    let own =
      try square
      ?? (columns.areAll && !self.gradient.clips
        ? measured!
        : clock.time(.sum) { try self.gradient.dot(x, x, cells: columns.cells, on: world) })
    if preconditions {
      try takeDirection(
        of: x, products!, square: own, isInserted: inserts, on: world, clock: &clock)
    } else {
      clock.time(.direction) { scaleGradient(of: own) }
    }
    let predicts =
      if case .levenbergMarquardt(let rule) = configuration.dampingRule.schedule {
        preconditions && directionsTaken % rule.every == 0
      } else { false }
    try clock.time(.update) {
      if predicts { for i in change.all.indices { change.pointer[i] = parameters[i] } }
      try update(&parameters, learningRate: learningRate, updated: updated)
    }
    if predicts {
      predictedChange = try predictChange(gradient, parameters, on: world, clock: &clock)
      outcome.predictedChange = predictedChange
    }
    outcome.damping = fisher.damping
    return outcome
  }

  /// `F⁻¹x` for a vector x that is not in the window: this rank's slice of it. Collective.
  ///
  /// For `x = αgⱼ + y` with a gradient of the window, ask for y alone; see
  /// `DampedFisher.inverseProduct`. Where a parameter is not a column of the window, F has λ alone.
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
      if !columns.areAll { columns.gather(x, into: compacted.all) }
      let own = columns.areAll ? x : UnsafeBufferPointer(compacted.all)
      fisher.window.partialProducts(with: own, inserting: false, into: partials)
      let products = try gradient.sum.total(of: used, width: width, on: world)
      result.withUnsafeMutableBufferPointer { result in
        guard !columns.areAll else {
          fisher.inverseProduct(x, products: products, into: result)
          return
        }
        fisher.inverseProduct(own, products: products, into: compacted.all)
        for i in x.indices { result[i] = Float(Double(x[i]) / fisher.damping) }
        columns.scatter(own, into: result)
      }
    }
  }

  /// The window's columns of the gradient.
  private func gathered() -> UnsafeBufferPointer<Float> {
    columns.gather(gradient.slice, into: compacted.all)
    return UnsafeBufferPointer(compacted.all)
  }

  /// The products of x with the window's gradients, and where it will be inserted with itself.
  func products(
    with x: UnsafeBufferPointer<Float>, inserting: Bool, on world: Communicator,
    clock: inout PhaseClock
  ) throws -> [Double] {
    let width = fisher.window.width(inserting: inserting)
    clock.time(.gramRow) {
      fisher.window.partialProducts(with: x, inserting: inserting, into: partials)
    }
    return try clock.time(.sum) {
      try gradient.sum.total(
        of: partials[0..<gradient.cells.count * width], width: width, on: world)
    }
  }

  /// Puts the new gradient into the window, on all ranks alike; tells what has changed by it.
  private func insert(
    _ x: UnsafeBufferPointer<Float>, _ products: [Double]
  ) throws -> String? {
    let wasMaintained = fisher.isFactorMaintained
    try named { try fisher.insert(x, products: products) }
    guard wasMaintained, !fisher.isFactorMaintained else { return nil }
    return """
      the Gram matrix's factor has lost digits from step to step, and is made anew in each from now \
      on, in O(m³) (a larger --damping would keep it)
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
