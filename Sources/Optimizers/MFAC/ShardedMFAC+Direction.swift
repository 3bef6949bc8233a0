import Curvature
import LinearAlgebra
import MPI

extension ShardedMFAC {
  /// The relative error of a direction's products above which they are measured, and of S's factor above
  /// which a direction beside the window is refined.
  private static let goodError = (products: 1e-6, factor: 1e-7)

  /// The direction from the window: of the gradient that has just been inserted, or of one beside it.
  /// Parameters outside the window have their gradient for direction. Collective where digits would be
  /// lost.
  ///
  /// - Parameters:
  ///   - outside: g·g of the parameters outside the window.
  ///   - made: is called with runs of cells as they have their direction, to update them while it is in
  ///     the cache.
  /// - Returns: the products of all of it.
  func takeDirection(
    _ products: [Double], square: Double, outside: Double, isInserted: Bool,
    on world: Communicator, clock: PhaseClock, made: (Range<Int>) throws -> Void
  ) throws -> DirectionProducts {
    let own = columns.areAll ? direction.all : compacted.all
    if !columns.areAll { _ = direction.all.update(fromContentsOf: gradient.slice) }
    let (plan, beside) = try plan(products, square, isInserted, own, on: world, clock: clock)
    let measures = !isFilledAtRandom && !(plan.products.error <= Self.goodError.products)
    let cells = gradient.cells
    var run = 0..<0
    try fisher.write(plan, beside: beside, into: own) { [self] _ in
      let cell = run.upperBound
      if !columns.areAll {
        columns.scatter(UnsafeBufferPointer(own), ofCell: cell, into: direction.all)
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
      try made(run)
      run = run.upperBound..<run.upperBound
    }
    guard measures else {
      // Outside the window the direction is the gradient.
      return DirectionProducts(
        square: plan.products.square + outside,
        withGradient: plan.products.withGradient + outside)
    }
    let sums = try total(width: 2, on: world, clock: clock)
    // The gradient as a compressed window stores some of its columns has been overwritten.
    let isKnown = columns.areAll || configuration.windowForm == WindowForm()
    return DirectionProducts(square: sums[0], withGradient: isKnown ? sums[1] : .nan)
  }

  /// How the direction is made, and what beside the window's gradients.
  private func plan(
    _ products: [Double], _ square: Double, _ isInserted: Bool,
    _ own: UnsafeMutableBufferPointer<Float>, on world: Communicator, clock: PhaseClock
  ) throws -> (WindowDirection, UnsafeBufferPointer<Float>?) {
    if isInserted { return (fisher.direction(forSlot: fisher.window.newest), nil) }
    guard !isFilledAtRandom, fisher.factorError > Self.goodError.factor else {
      return (fisher.direction(products: products, square: square), seen)
    }
    let solution = fisher.writeRest(of: seen, products: products, into: own)
    let rest = UnsafeBufferPointer(own)
    let again = try self.products(with: rest, on: world, clock: clock)
    let restSquare = try clock.time(.sum) {
      try gradient.dot(rest, rest, cells: columns.cells, on: world)
    }
    return (fisher.direction(refining: solution, products: again, square: restSquare), rest)
  }

  /// The direction of a step that does without the window: along the gradient, as long as the last one
  /// from the window; the gradient itself for parameters that are never in it.
  ///
  /// - Returns: the products of its part in the window.
  func scaleGradient(of square: Double) -> DirectionProducts {
    let own = square > 0 ? Float(directionNorm / square.squareRoot()) : 0
    let (u, g) = (direction.pointer, gradient.mutableSlice)
    let slice = gradient.parameters
    for cell in slice.cells.indices {
      // As the window has seen it.
      if !columns.areAll { columns.scatter(seen, ofCell: cell, into: g) }
      for piece in slice.pieces(ofCell: cell) {
        let scale = slice.groups[piece.group].usesMFAC ? own : 1
        for i in piece.range { u[i] = scale * g[i] }
      }
    }
    let norm = square > 0 ? directionNorm : 0
    return DirectionProducts(square: norm * norm, withGradient: norm * square.squareRoot())
  }

  /// v ← μv + (1 − μ)u, or v ← μv + g outside the window; w ← w − ηv. Of a run of cells.
  func update(
    _ cells: Range<Int>, of parameters: inout MutableSpan<Float>, learningRate: Double,
    updated: (Range<Int>) throws -> Void
  ) rethrows {
    let slice = gradient.parameters
    let steps = slice.steps(learningRate: learningRate, decay: configuration.weightDecay)
    let momentum = configuration.momentum
    let (u, v) = (direction.pointer, velocity.pointer)
    for cell in cells {
      for piece in slice.pieces(ofCell: cell) {
        let (rate, remainder) = (Float(steps[piece.group].rate), steps[piece.group].remainder)
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
