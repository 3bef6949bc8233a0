import Curvature
import LinearAlgebra
import MPI

extension MFAC {
  /// The direction from the window: of the gradient that has just been inserted, or of one beside it.
  /// Parameters outside the window have their gradient for direction.
  ///
  /// - Parameter made: is called with runs of cells as they have their direction, to update them while
  ///   it is in the cache.
  /// - Returns: the products of its part in the window.
  func takeDirection(
    _ products: [Double], square: Double, isInserted: Bool, made: (Range<Int>) throws -> Void
  ) throws -> DirectionProducts {
    let own = columns.areAll ? direction.all : compacted.all
    if !columns.areAll { _ = direction.all.update(fromContentsOf: gradient.slice) }
    let cells = gradient.cells
    var run = 0..<0
    let madeCell: (Range<Int>) throws -> Void = { [self] _ in
      let cell = run.upperBound
      if !columns.areAll {
        columns.scatter(UnsafeBufferPointer(own), ofCell: cell, into: direction.all)
      }
      run = run.lowerBound..<cell + 1
      let length = cells[cell].upperBound - cells[run.lowerBound].lowerBound
      guard run.upperBound == cells.count || length >= 1 << 15 else { return }
      try made(run)
      run = run.upperBound..<run.upperBound
    }
    if isInserted {
      return try fisher.direction(forSlot: fisher.window.newest, into: own, made: madeCell)
    } else {
      return try fisher.direction(
        beside: seen, products: products, square: square, into: own, made: madeCell)
    }
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
