import Curvature
import LinearAlgebra
import MPI

extension ShardedMFAC {
  /// Limits on relative errors. Above the first, a direction's products are measured. Above the
  /// second, on S's factor, the direction of a gradient that is not inserted is refined.
  private static var goodError: (products: Double, factor: Double) { (1e-6, 1e-7) }

  /// Computes the direction from the window, for a gradient that was just inserted or for one that
  /// is not inserted. Parameters outside the window take their gradient as direction. Collective if
  /// digits would otherwise be lost.
  ///
  /// - Parameter onCellReady: is called with runs of cells that have their direction, to update
  ///   them while it is in the cache.
  /// - Returns: the products over all parameters.
  func precondition(
    _ row: GramRow, isInserted: Bool, on world: Communicator, clock: PhaseClock,
    onCellReady: (Range<Int>) throws -> Void
  ) throws -> DirectionProducts {
    let inWindow = columns.areAll ? direction.all : compacted.all
    if !columns.areAll { _ = direction.all.update(fromContentsOf: gradient.slice) }
    let (plan, beside) = try plan(row, isInserted, inWindow, on: world, clock: clock)
    let measures = !isFilledAtRandom && !(plan.products.error <= Self.goodError.products)
    let cells = gradient.cells
    var run = 0..<0
    try fisher.write(plan, beside: beside, into: inWindow) { [self] _ in
      let cell = run.upperBound
      if !columns.areAll {
        columns.scatter(UnsafeBufferPointer(inWindow), ofCell: cell, into: direction.all)
      }
      if measures {
        let u = UnsafeBufferPointer(rebasing: direction.all[cells[cell]])
        let g = UnsafeBufferPointer(rebasing: gradient.slice[cells[cell]])
        partials.pointer[2 * cell] = MixedPrecision.dot(u, u)
        partials.pointer[2 * cell + 1] = MixedPrecision.dot(g, u)
      }
      run = run.lowerBound..<cell + 1
      let length = cells[cell].upperBound - cells[run.lowerBound].lowerBound
      guard run.upperBound == cells.count || length >= 1 << 15 else { return }
      try onCellReady(run)
      run = run.upperBound..<run.upperBound
    }
    guard measures else {
      // Outside the window the direction is the gradient.
      return DirectionProducts(
        square: plan.products.square + row.outside,
        withGradient: plan.products.withGradient + row.outside)
    }
    let sums = try total(width: 2, on: world, clock: clock)
    // A compressed window's form of the gradient was in `compacted`; the direction has overwritten
    // it.
    let isKnown = columns.areAll || configuration.windowForm.isExact(for: Element.self)
    return DirectionProducts(square: sums[0], withGradient: isKnown ? sums[1] : .nan)
  }

  /// Returns the plan of the direction, and the vector that it combines with the window's
  /// gradients, if any.
  private func plan(
    _ row: GramRow, _ isInserted: Bool, _ inWindow: UnsafeMutableBufferPointer<Element>,
    on world: Communicator, clock: PhaseClock
  ) throws -> (WindowDirection, UnsafeBufferPointer<Element>?) {
    if isInserted { return (fisher.direction(forSlot: fisher.window.newest), nil) }
    guard !isFilledAtRandom, fisher.factorError > Self.goodError.factor else {
      return (fisher.direction(products: row.products, square: row.inWindow), seen)
    }
    let solution = fisher.writeRest(of: seen, products: row.products, into: inWindow)
    let rest = UnsafeBufferPointer(inWindow)
    let again = try self.products(with: rest, on: world, clock: clock)
    let restSquare = try clock.time(.sum) {
      try gradient.dot(rest, rest, cells: columns.cells, on: world)
    }
    return (fisher.direction(refining: solution, products: again, square: restSquare), rest)
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
