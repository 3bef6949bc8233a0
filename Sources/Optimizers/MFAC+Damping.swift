import LinearAlgebra
import MPI

extension MFAC {
  public func adapt(toChange actual: Double) {
    guard case .levenbergMarquardt(let rule) = configuration.dampingRule.schedule else { return }
    damping = rule.adapted(damping, actual: actual, predicted: predictedChange)
  }

  /// Asks for this step's λ, where `square` is that of the gradient to be inserted.
  func follow(_ square: Double?) throws {
    let rule = configuration.dampingRule
    if case .levenbergMarquardt = rule.schedule {
    } else {
      damping = rule.damping(from: configuration.damping, at: stepsTaken - 1)
    }
    let scale = rule.isRelative ? fisher.meanDiagonal(inserting: square) : 1
    // Gradients that are all zero have no scale.
    let wanted = damping * scale
    if wanted > 0, wanted.isFinite { fisher.wantedDamping = wanted }
    if square == nil { try named { try fisher.followDamping() } }
  }

  /// `∇ᵀδ + ½ δᵀFδ`, what the quadratic model says of the loss after a change δ of the parameters, as it
  /// was made: with momentum, weight decay and learning rate. ∇ is the loss's own gradient, neither
  /// clipped nor with weight decay; F is the damped Fisher matrix that gave the step its direction, λ
  /// included. Outside the window the model is linear.
  func predictChange(
    _ gradient: Span<Float>, _ parameters: borrowing MutableSpan<Float>, on world: Communicator,
    clock: PhaseClock
  ) throws -> Double {
    for i in change.all.indices { change.pointer[i] = parameters[i] - change.pointer[i] }
    let whole = UnsafeBufferPointer(change.all)
    let slope = try clock.time(.sum) {
      try gradient.withUnsafeBufferPointer {
        try self.gradient.dot($0, whole, cells: self.gradient.cells, on: world)
      }
    }
    if !columns.areAll { columns.gather(whole, into: compacted.all) }
    let own = columns.areAll ? whole : UnsafeBufferPointer(compacted.all)
    let products = try products(with: own, on: world, clock: clock)
    let square = try clock.time(.sum) {
      try self.gradient.dot(own, own, cells: columns.cells, on: world)
    }
    return slope + 0.5 * fisher.quadraticForm(products: products, square: square)
  }
}
