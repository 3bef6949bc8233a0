import LinearAlgebra
import MPI

extension ShardedMFAC: DampedOptimizer {
  var takesDirectionNext: Bool { stepsTaken % configuration.preconditionEvery == 0 }

  /// Asks for this step's λ, where `square` is that of the gradient to be inserted.
  func follow(_ square: Double?) throws {
    let rule = configuration.dampingRule
    if rule.levenbergMarquardt == nil {
      damping = rule.damping(from: configuration.damping, at: stepsTaken - 1)
    }
    let scale = rule.isRelative ? fisher.meanDiagonal(inserting: square) : 1
    // Gradients that are all zero have no scale.
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

  /// `δᵀFδ`, F with the gradient's own term where it is beside the window. Outside the window the
  /// model is linear.
  @specialized(where Element == Float)
  @specialized(where Element == Double)
  func quadraticForm(
    of change: UnsafeBufferPointer<Element>, model: QuadraticModel<Element>?,
    on world: Communicator,
    clock: PhaseClock
  ) throws -> Double {
    let inWindow = compact(change)
    var products = try products(with: inWindow, on: world, clock: clock)
    let square = try clock.time(.sum) {
      try gradient.dot(inWindow, inWindow, cells: columns.cells, on: world)
    }
    if !hasInserted {
      var g = gradient.slice
      if !columns.areAll {
        // What is outside the window has been used.
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
