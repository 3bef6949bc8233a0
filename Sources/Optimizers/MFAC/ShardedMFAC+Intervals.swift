import Curvature
import LinearAlgebra
import MPI

/// These steps insert gradients, or take their directions from the window, only at intervals.
extension ShardedMFAC {
  /// Takes a step of one of four kinds: it inserts its gradient or not, and takes its direction
  /// from the window or along its own gradient.
  func stepBetween(
    _ gradient: Span<Element>, updating parameters: inout MutableSpan<Element>,
    learningRate: Double,
    on world: Communicator, clock: PhaseClock, updated: (Range<Int>) throws -> Void
  ) throws -> StepOutcome {
    let inserts = stepsTaken % configuration.insertEvery == 0
    let preconditions = takesDirectionNext
    var row = try observe(
      gradient, parameters, inserting: inserts, isNeeded: inserts || preconditions, on: world,
      clock: clock)
    var outcome = StepOutcome(gradientNorm: row.norm)
    guard outcome.wasApplied else { return outcome }
    stepsTaken += 1
    if preconditions { directionsTaken += 1 }
    outcome.notice = try clock.time(.solve) {
      if inserts { return try insert(row) }
      hasInserted = false
      try follow(nil)
      return nil
    }
    if !inserts, !columns.areAll {
      row.inWindow = try clock.time(.sum) {
        try self.gradient.dot(seen, seen, cells: columns.cells, on: world)
      }
    }
    // The update overwrites the direction, so its length, if later steps need it, is measured
    // before.
    let measures = preconditions && configuration.preconditionEvery > 1
    var direction: DirectionProducts
    if preconditions {
      direction = try clock.time(.direction, reading: windowBytes) {
        try precondition(row, isInserted: inserts, on: world, clock: clock) { cells in
          guard !measures else { return }
          try clock.time(.update) {
            try apply(to: &parameters, of: cells, learningRate: learningRate, updated: updated)
          }
        }
      }
    } else {
      direction = clock.time(.direction) { scaleGradient(of: row.inWindow) }
      direction.square += row.outside
      direction.withGradient += row.outside
    }
    if measures {
      directionNorm = try clock.time(.sum) {
        let inWindow = UnsafeBufferPointer(columns.areAll ? self.direction.all : compacted.all)
        return try self.gradient.dot(inWindow, inWindow, cells: columns.cells, on: world)
          .squareRoot()
      }
    }
    if measures || !preconditions {
      try clock.time(.update) {
        try apply(
          to: &parameters, of: self.gradient.cells.indices, learningRate: learningRate,
          updated: updated)
      }
    }
    outcome.damping = fisher.damping
    outcome.direction = DirectionMeasure(direction, gradientSquare: row.inWindow + row.outside)
    return outcome
  }

  /// Computes the direction of a step that does not use the window: along the gradient, as long as
  /// the last direction from the window. Parameters that are never in the window take the gradient
  /// itself.
  ///
  /// - Returns: the products over the parameters in the window.
  func scaleGradient(of square: Double) -> DirectionProducts {
    let inWindow = square > 0 ? Element(directionNorm / square.squareRoot()) : 0
    let (u, g) = (direction.pointer, gradient.mutableSlice)
    let slice = gradient.parameters
    for cell in slice.cells.indices {
      // The step uses the gradient in the window's form.
      if !columns.areAll { columns.scatter(seen, ofCell: cell, into: g) }
      for piece in slice.pieces(ofCell: cell) {
        let scale = slice.groups[piece.group].usesMFAC ? inWindow : 1
        for i in piece.range { u[i] = scale * g[i] }
      }
    }
    let norm = square > 0 ? directionNorm : 0
    return DirectionProducts(square: norm * norm, withGradient: norm * square.squareRoot())
  }
}
