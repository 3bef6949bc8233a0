import LinearAlgebra
import MPI

extension ShardedMFAC {
  public func adapt(toChange actual: Double) {
    guard let rule = configuration.dampingRule.levenbergMarquardt else { return }
    damping = rule.adapted(damping, actual: actual, predicted: predictedChange)
  }

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
    if square == nil { try named { try fisher.followDamping() } }
  }

  /// `∇ᵀδ + ½ δᵀFδ`, what the quadratic model says of the loss after a change δ of the parameters, as it
  /// was made: with momentum, weight decay and learning rate. ∇ is the loss's own gradient, neither
  /// clipped nor with weight decay; F is the damped Fisher matrix that gave the step its direction, λ
  /// included, and with the gradient's own term where it is beside the window. Outside the window the
  /// model is linear.
  func predictChange(
    _ gradient: Span<Float>, _ parameters: borrowing MutableSpan<Float>, isInserted: Bool,
    on world: Communicator, clock: PhaseClock
  ) throws -> Double {
    for i in change.all.indices { change.pointer[i] = parameters[i] - change.pointer[i] }
    let whole = UnsafeBufferPointer(change.all)
    let slope = try clock.time(.sum) {
      try gradient.withUnsafeBufferPointer {
        try self.gradient.dot($0, whole, cells: self.gradient.cells, on: world)
      }
    }
    let own = compact(whole)
    var products = try products(with: own, on: world, clock: clock)
    let square = try clock.time(.sum) {
      try self.gradient.dot(own, own, cells: columns.cells, on: world)
    }
    if !isInserted {
      var g = self.gradient.slice
      if !columns.areAll {
        let free = change[0..<columns.count]
        columns.gather(g, into: free)
        g = UnsafeBufferPointer(free)
      }
      products += [
        try clock.time(.sum) { try self.gradient.dot(g, own, cells: columns.cells, on: world) }
      ]
    }
    return slope + 0.5 * fisher.quadraticForm(products: products, square: square)
  }
}
