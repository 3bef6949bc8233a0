import Curvature
import LinearAlgebra
import MPI

/// These steps insert gradients, or take their directions from the window, only at intervals.
extension ShardedMFAC {
  /// Takes a step of one of four kinds: it inserts its gradient or not, and takes its direction
  /// from the window or along its own gradient.
  func stepBetween(
    _ gradient: Span<Element>, updating parameters: inout MutableSpan<Element>,
    learningRate: Double, model: QuadraticModel<Element>?, on world: Communicator,
    clock: PhaseClock, updated: (Range<Int>) throws -> Void
  ) throws -> StepOutcome {
    let inserts = stepsTaken % configuration.insertEvery == 0
    let preconditions = takesDirectionNext
    var row = try observe(
      gradient, parameters, inserting: inserts, isNeeded: inserts || preconditions, on: world,
      clock: clock)
    var outcome = StepOutcome(gradientNorm: row.norm)
    guard outcome.wasApplied else { return outcome }
    accept(model)
    if preconditions { directionsTaken += 1 }
    outcome.notice = try clock.time(.solve) {
      if inserts { return try insert(row) }
      hasInserted = false
      try follow(nil)
      return nil
    }
    if !inserts, metric != nil || !columns.areAll {
      row.inWindow = try clock.time(.sum) {
        try self.gradient.dot(seen, seen, cells: columns.cells, on: world)
      }
    }
    // The update overwrites the direction, so its length, if later steps need it, is measured
    // before.
    let measures = preconditions && configuration.preconditionEvery > 1
    if preconditions {
      outcome.direction = try clock.time(.direction, reading: windowBytes) {
        try precondition(
          row, isInserted: inserts, learningRate: learningRate, on: world, clock: clock
        ) { cells in
          guard !measures else { return }
          try clock.time(.update) {
            try apply(to: &parameters, of: cells, learningRate: learningRate, updated: updated)
          }
        }
      }
      outcome.rateFactor = rateFactor
    } else {
      outcome.direction = try clock.time(.direction) {
        try scaleGradient(row, on: world, clock: clock)
      }
    }
    if measures {
      directionNorm =
        metric != nil
        ? plannedNorm
        : try clock.time(.sum) {
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
    return outcome
  }

  /// Computes the direction of a step that does not use the window: along the gradient, as long as
  /// the last direction from the window, both in the window's coordinates. Parameters that are
  /// never in the window take the gradient itself. Collective if the metric's direction is
  /// measured.
  ///
  /// - Returns: the direction over all parameters; nil if it is not measured.
  private func scaleGradient(
    _ row: GramRow, on world: Communicator, clock: PhaseClock
  ) throws -> DirectionMeasure? {
    let square = row.inWindow
    let inWindow = square > 0 ? Element(directionNorm / square.squareRoot()) : 0
    let (u, g) = (direction.pointer, gradient.mutableSlice)
    let slice = gradient.parameters
    let measures = metric != nil && measuresDirection
    for cell in slice.cells.indices {
      // The step uses the gradient in the window's form.
      if !columns.areAll { columns.scatter(seen, ofCell: cell, into: g) }
      for piece in slice.pieces(ofCell: cell) {
        let scale = slice.groups[piece.group].usesMFAC ? inWindow : 1
        for i in piece.range { u[i] = scale * g[i] }
      }
      complete(cell, measures: measures)
    }
    guard metric == nil else {
      return measures ? try measured(row, hasGradient: true, on: world, clock: clock) : nil
    }
    let norm = square > 0 ? directionNorm : 0
    return DirectionMeasure(
      DirectionProducts(
        square: norm * norm + row.outside,
        withGradient: norm * square.squareRoot() + row.outside),
      gradientSquare: square + row.outside)
  }
}
