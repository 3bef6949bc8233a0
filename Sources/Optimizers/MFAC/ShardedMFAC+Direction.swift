import Curvature
import LinearAlgebra
import MPI

extension ShardedMFAC {
  /// Limits on relative errors. Above the first, a direction's products are measured. Above the
  /// second, on S's factor, the direction of a gradient that is not inserted is refined.
  private static var goodError: (products: Double, factor: Double) { (1e-6, 1e-7) }

  /// Computes the direction from the window, for a gradient that was just inserted or for one that
  /// is not inserted. Parameters outside the window take their gradient as direction, in the
  /// metric. Collective if digits would otherwise be lost, or if the metric's direction is
  /// measured.
  ///
  /// - Parameter onCellReady: is called with runs of cells that have their direction, to update
  ///   them while it is in the cache.
  /// - Returns: the direction over all parameters; nil if it is not measured.
  func precondition(
    _ row: GramRow, isInserted: Bool, learningRate: Double, on world: Communicator,
    clock: PhaseClock, onCellReady: (Range<Int>) throws -> Void
  ) throws -> DirectionMeasure? {
    let inWindow = columns.areAll ? direction.all : compacted.all
    if !columns.areAll { _ = direction.all.update(fromContentsOf: gradient.slice) }
    var (plan, beside) = try plan(row, isInserted, inWindow, on: world, clock: clock)
    if metric != nil { plan.scale(by: fisher.damping) }
    let factor = shortened(plan.change, learningRate: learningRate)
    plan.scale(by: factor)
    if !columns.areAll, factor < 1 { scale(direction.all, by: factor) }
    plannedNorm = plan.products.square.squareRoot()
    let measures =
      metric == nil
      ? !isFilledAtRandom && !(plan.products.error <= Self.goodError.products) : measuresDirection
    let cells = gradient.cells
    var run = 0..<0
    try fisher.write(plan, beside: beside, into: inWindow) { [self] _ in
      let cell = run.upperBound
      if !columns.areAll {
        columns.scatter(UnsafeBufferPointer(inWindow), ofCell: cell, into: direction.all)
      }
      complete(cell, measures: measures)
      run = run.lowerBound..<cell + 1
      let length = cells[cell].upperBound - cells[run.lowerBound].lowerBound
      guard run.upperBound == cells.count || length >= 1 << 15 else { return }
      try onCellReady(run)
      run = run.upperBound..<run.upperBound
    }
    if measures {
      // A compressed window's form of the gradient was in `compacted`; the direction has
      // overwritten it.
      let isKnown = columns.areAll || configuration.windowForm.isExact(for: Element.self)
      return try measured(row, hasGradient: isKnown, on: world, clock: clock)
    }
    guard metric == nil else { return nil }
    // Outside the window the direction is the gradient.
    return DirectionMeasure(
      DirectionProducts(
        square: plan.products.square + factor * factor * row.outside,
        withGradient: plan.products.withGradient + factor * row.outside),
      gradientSquare: row.inWindow + row.outside)
  }

  /// Returns min(1, √(κ/(η²f))) for the change f of a direction, with the largest η of the run. A
  /// few gradients say little about the loss: κ grows with the window until a quarter is filled.
  private func shortened(_ change: Double, learningRate: Double) -> Double {
    guard configuration.changeBound != nil else { return 1 }
    let rate = configuration.peakRate ?? learningRate
    let quarter = Double(configuration.window) / 4
    let share = min(1, Double(max(1, fisher.window.filled)) / quarter)
    let factor = bound.factor(rate * rate * change / share)
    rateFactor = factor
    return factor
  }

  private func scale(_ x: UnsafeMutableBufferPointer<Element>, by factor: Double) {
    let factor = Element(factor)
    for i in x.indices { x[i] *= factor }
  }

  /// The number of inner products of a direction that is measured.
  private var measuredWidth: Int { metric == nil ? 2 : 3 }

  /// Brings a cell of the direction from the window's coordinates to those of the parameters.
  ///
  /// - Parameter measures: whether to write u·u and g·u, and with a metric g·g, to `partials`.
  func complete(_ cell: Int, measures: Bool) {
    let range = gradient.cells[cell]
    let u = UnsafeBufferPointer(rebasing: direction.all[range])
    let g = UnsafeBufferPointer(rebasing: gradient.slice[range])
    let products = partials.pointer + measuredWidth * cell
    if measures { products[1] = MixedPrecision.dot(g, u) }
    metric?.divide(direction.all, range)
    guard measures else { return }
    products[0] = MixedPrecision.dot(u, u)
    if let metric { products[2] = metric.square(of: gradient.slice, range) }
  }

  /// Returns the sums of the products that `complete` wrote. Collective.
  func measured(
    _ row: GramRow, hasGradient: Bool, on world: Communicator, clock: PhaseClock
  ) throws -> DirectionMeasure {
    let sums = try total(width: measuredWidth, on: world, clock: clock)
    return DirectionMeasure(
      DirectionProducts(square: sums[0], withGradient: hasGradient ? sums[1] : .nan),
      gradientSquare: metric == nil ? row.inWindow + row.outside : sums[2])
  }

  /// Returns the plan of the direction, and the vector that it combines with the window's
  /// gradients, if any.
  private func plan(
    _ row: GramRow, _ isInserted: Bool, _ inWindow: UnsafeMutableBufferPointer<Element>,
    on world: Communicator, clock: PhaseClock
  ) throws -> (WindowDirection, UnsafeBufferPointer<Element>?) {
    let history = configuration.history
    if isInserted { return (fisher.direction(of: history), nil) }
    guard !isFilledAtRandom, fisher.factorError > Self.goodError.factor else {
      let plan = fisher.direction(products: row.products, square: row.inWindow)
      return (fisher.direction(of: history, beside: plan, products: row.products), seen)
    }
    let solution = fisher.writeRest(of: seen, products: row.products, into: inWindow)
    let rest = UnsafeBufferPointer(inWindow)
    let again = try self.products(with: rest, on: world, clock: clock)
    let restSquare = try clock.time(.sum) {
      try gradient.dot(rest, rest, cells: columns.cells, on: world)
    }
    let plan = fisher.direction(refining: solution, products: again, square: restSquare)
    return (
      fisher.direction(of: history, beside: plan, products: row.products, span: solution), rest
    )
  }

  /// Computes v ← μv + (1 − μ)u, or v ← μv + g outside the window; then w ← w − ηv, for a run of
  /// cells.
  func apply(
    to parameters: inout MutableSpan<Element>, of cells: Range<Int>, learningRate: Double,
    updated: (Range<Int>) throws -> Void
  ) rethrows {
    let slice = gradient.parameters
    let steps: [ParameterSlice.GroupStep<Element>] = slice.steps(
      learningRate: learningRate, decay: configuration.weightDecay)
    let momentum = Element(configuration.momentum)
    let (u, v) = (direction.pointer, velocity.pointer)
    for cell in cells {
      for piece in slice.pieces(ofCell: cell) {
        let (rate, remainder) = (Element(steps[piece.group].rate), steps[piece.group].remainder)
        if momentum > 0 {
          let share = slice.groups[piece.group].usesMFAC ? 1 - momentum : 1
          for i in piece.range {
            v[i] = momentum * v[i] + share * u[i]
            u[i] = v[i]
          }
        }
        for i in piece.range { parameters[i] = remainder * parameters[i] - rate * u[i] }
      }
    }
    guard let first = cells.first, let last = cells.last else { return }
    try updated(slice.cells[first].lowerBound..<slice.cells[last].upperBound)
  }
}
