import LinearAlgebra
import MPI

extension MFAC {
  /// The direction from the window: of the gradient that has just been inserted, or of one beside it.
  /// Parameters outside the window have their gradient for direction.
  func takeDirection(
    of x: UnsafeBufferPointer<Float>, _ products: [Double], square: Double, isInserted: Bool,
    on world: Communicator, clock: inout PhaseClock
  ) throws {
    let own = columns.areAll ? direction.all : compacted.all
    clock.time(.direction) {
      if isInserted {
        fisher.direction(forSlot: fisher.window.newest, into: own)
      } else {
        fisher.direction(beside: x, products: products, square: square, into: own)
      }
      if !columns.areAll {
        _ = direction.all.update(fromContentsOf: gradient.slice)
        columns.scatter(UnsafeBufferPointer(own), into: direction.all)
      }
    }
    guard configuration.preconditionEvery > 1 else { return }
    let result = UnsafeBufferPointer(own)
    directionNorm = try clock.time(.sum) {
      try gradient.dot(result, result, cells: columns.cells, on: world).squareRoot()
    }
  }

  /// The direction of a step that does without the window: along the gradient, as long as the last one
  /// from the window; the gradient itself for parameters that are never in it.
  func scaleGradient(of square: Double) {
    let own = square > 0 ? Float(directionNorm / square.squareRoot()) : 0
    let slice = gradient.parameters
    for cell in slice.cells.indices {
      for piece in slice.pieces(ofCell: cell) {
        let scale = slice.groups[piece.group].usesMFAC ? own : 1
        for i in piece.range { direction.pointer[i] = scale * gradient.slice[i] }
      }
    }
  }

  /// v ← μv + (1 − μ)u, or v ← μv + g outside the window; w ← w − ηv.
  func update(
    _ parameters: inout MutableSpan<Float>, learningRate: Double,
    updated: (Range<Int>) throws -> Void
  ) rethrows {
    let slice = gradient.parameters
    let steps = slice.steps(learningRate: learningRate, decay: configuration.weightDecay)
    let momentum = configuration.momentum
    let (u, v) = (direction.pointer, velocity.pointer)
    for (index, cell) in slice.cells.enumerated() {
      for piece in slice.pieces(ofCell: index) {
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
      try updated(cell)
    }
  }
}
