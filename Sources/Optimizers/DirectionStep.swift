import LinearAlgebra

/// Steps along a direction u with a moving average of it: v ← μv + (1 − μ)u, or v ← μv + g for
/// parameters without curvature, whose direction is their gradient; w ← w − ηv.
struct DirectionStep {
  /// μ in [0, 1).
  let momentum: Float
  let weightDecay: WeightDecay
  /// v [d/p], none without momentum.
  let velocity: Buffer<Float>

  init(momentum: Float, weightDecay: WeightDecay, count: Int) {
    self.momentum = momentum
    self.weightDecay = weightDecay
    velocity = Buffer(count: momentum > 0 ? count : 0)
  }

  /// Of a run of cells.
  ///
  /// - Parameters:
  ///   - direction: u of the slice; becomes v there.
  ///   - hasCurvature: whether a parameter's direction is not its gradient, by group.
  func update(
    _ cells: Range<Int>, of parameters: inout MutableSpan<Float>, _ slice: ParameterSlice,
    along direction: UnsafeMutablePointer<Float>, learningRate: Double,
    updated: (Range<Int>) throws -> Void
  ) rethrows {
    let steps = slice.steps(learningRate: learningRate, decay: weightDecay)
    let (u, v) = (direction, velocity.pointer)
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
