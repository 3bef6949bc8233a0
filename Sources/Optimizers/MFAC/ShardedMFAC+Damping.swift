import LinearAlgebra
import MPI

extension ShardedMFAC: DampedOptimizer {
  var takesDirectionNext: Bool { stepsTaken % configuration.preconditionEvery == 0 }

  /// Sets the λ that this step requests from `fisher`.
  ///
  /// - Parameter square: ‖g‖² of the gradient to be inserted; nil if none is inserted.
  func follow(_ square: Double?) throws {
    let rule = configuration.dampingRule
    if rule.levenbergMarquardt == nil {
      damping = rule.damping(from: configuration.damping, at: stepsTaken - 1)
    }
    let scale = rule.isRelative ? fisher.meanDiagonal(inserting: square) : 1
    // Gradients that are all zero define no scale.
    let wanted = damping * scale
    if wanted > 0, wanted.isFinite { fisher.wantedDamping = wanted }
    if square == nil { try named { try fisher.refactorIfDampingChanged() } }
  }

  @specialized(where Element == Float)
  @specialized(where Element == Double)
  func lastChange(
    from before: borrowing MutableSpan<Element>, to after: UnsafeBufferPointer<Element>
  ) -> UnsafeBufferPointer<Element> {
    for i in after.indices { direction.pointer[i] = after[i] - before[i] }
    return UnsafeBufferPointer(direction.all)
  }

  /// Returns `δᵀFδ`, in the metric `δᵀ(λD + GᵀG/m)δ`. If the step's gradient was not inserted, F
  /// includes its term. Outside the window the model is linear.
  @specialized(where Element == Float)
  @specialized(where Element == Double)
  func quadraticForm(
    of change: UnsafeBufferPointer<Element>, model: QuadraticModel<Element>?,
    on world: Communicator,
    clock: PhaseClock
  ) throws -> Double {
    // The change is in this optimizer's own memory.
    metric?.multiply(direction.all)
    let inWindow = compact(change)
    var products = try products(with: inWindow, on: world, clock: clock)
    let square = try clock.time(.sum) {
      try gradient.dot(inWindow, inWindow, cells: columns.cells, on: world)
    }
    if !hasInserted {
      var g = gradient.slice
      if !columns.areAll {
        // The change outside the window is no longer needed, so `direction` serves as scratch.
        let free = direction[0..<columns.count]
        columns.gather(g, into: free)
        g = UnsafeBufferPointer(free)
      }
      products += [
        try clock.time(.sum) { try gradient.dot(g, inWindow, cells: columns.cells, on: world) }
      ]
    }
    return fisher.quadraticForm(products: products, square: square)
  }
}
