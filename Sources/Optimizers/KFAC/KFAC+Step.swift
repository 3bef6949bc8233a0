import LinearAlgebra
import MPI
import Sharding

/// These functions turn a direction u into a change δ of the parameters.
extension KFAC {
  /// Replaces this rank's slice of the direction by the change δ.
  func makeChange(
    _ parameters: borrowing MutableSpan<Element>, learningRate: Double, damping: Double,
    model: QuadraticModel<Element>?, on world: Communicator, clock: PhaseClock
  ) throws {
    guard configuration.isAdaptive else {
      clock.time(.update) { fixedChange(parameters, learningRate: learningRate) }
      return
    }
    clock.time(.update) { scaleByRates() }
    let (rate, momentum) = try bestStep(damping: damping, model: model, on: world, clock: clock)
    clock.time(.update) { adaptiveChange(parameters, rate: rate, momentum: momentum) }
  }

  /// Computes v ← μv + (1 − μ)u, or v ← μv + g outside the layers; then δ = −ηv.
  private func fixedChange(_ parameters: borrowing MutableSpan<Element>, learningRate: Double) {
    let slice = gradient.parameters
    let steps: [ParameterSlice.GroupStep<Element>] = slice.steps(
      learningRate: learningRate, decay: configuration.weightDecay)
    let momentum = Element(configuration.momentum)
    let (u, v) = (direction.pointer, velocity.pointer)
    for cell in slice.cells.indices {
      for piece in slice.pieces(ofCell: cell) {
        let (rate, remainder) = (Element(steps[piece.group].rate), steps[piece.group].remainder)
        let share = slice.groups[piece.group].usesMFAC ? 1 - momentum : 1
        for i in piece.range {
          if momentum > 0 {
            v[i] = momentum * v[i] + share * u[i]
            u[i] = v[i]
          }
          u[i] = (remainder - 1) * parameters[i] - rate * u[i]
        }
      }
    }
  }

  /// Scales u ← ρu, ρ each group's factor of the learning rate.
  private func scaleByRates() {
    let slice = gradient.parameters
    for cell in slice.cells.indices {
      for piece in slice.pieces(ofCell: cell) where slice.groups[piece.group].rateFactor != 1 {
        let factor = Element(slice.groups[piece.group].rateFactor)
        for i in piece.range { direction.pointer[i] *= factor }
      }
    }
  }

  /// Computes δ = −αu + μδ₀, which becomes δ₀ of the next step.
  private func adaptiveChange(
    _ parameters: borrowing MutableSpan<Element>, rate: Double, momentum: Double
  ) {
    let slice = gradient.parameters
    let steps: [ParameterSlice.GroupStep<Element>] = slice.steps(
      learningRate: rate, decay: configuration.weightDecay)
    let (u, v) = (direction.pointer, velocity.pointer)
    let (rate, momentum) = (Element(rate), Element(momentum))
    for cell in slice.cells.indices {
      for piece in slice.pieces(ofCell: cell) {
        let remainder = steps[piece.group].remainder
        for i in piece.range {
          v[i] = momentum * v[i] - rate * u[i]
          u[i] = v[i] + (remainder - 1) * parameters[i]
        }
      }
    }
  }

  /// Returns the α and μ that minimize `½ δᵀ(G + λI + Ω)δ + gᵀδ` over δ = −αu + μδ₀. Here g is the
  /// gradient as the optimizer uses it, and Ω each group's rate of coupled weight decay. μ is 0 if
  /// δ₀ is zero or parallel to u.
  ///
  /// Martens and Grosse, 2015, sections 6.4 and 7.
  private func bestStep(
    damping: Double, model: QuadraticModel<Element>?, on world: Communicator, clock: PhaseClock
  ) throws -> (rate: Double, momentum: Double) {
    let (u, v) = (UnsafeBufferPointer(direction.all), UnsafeBufferPointer(velocity.all))
    let g = gradient.slice
    let groups = gradient.parameters.groups
    let added = groups.map {
      damping + Double(Element(configuration.weightDecay.at($0.weightDecay).addedToGradient))
    }
    let ones = groups.map { _ in 1.0 }
    let dots = try clock.time(.sum) {
      try gradient.dots(
        [(u, u, added), (u, v, added), (v, v, added), (g, u, ones), (g, v, ones)], on: world)
    }
    let form = try formOf([u, v], model, on: world, clock: clock)
    let (uu, uv, vv) = (form[0] + dots[0], form[1] + dots[1], form[3] + dots[2])
    let determinant = uu * vv - uv * uv
    // Below this determinant, u and v are one direction in double precision.
    if vv > 0, determinant > 1e-12 * uu * vv {
      return (
        (dots[3] * vv - dots[4] * uv) / determinant, (dots[3] * uv - dots[4] * uu) / determinant
      )
    }
    return (uu > 0 ? dots[3] / uu : 0, 0)
  }

  /// Evaluates the Gauss–Newton form for vectors of which this rank holds `slices`; every rank
  /// gathers the whole vectors. Collective.
  private func formOf(
    _ slices: [UnsafeBufferPointer<Element>], _ model: QuadraticModel<Element>?,
    on world: Communicator,
    clock: PhaseClock
  ) throws -> [Double] {
    guard let form = model?.gaussNewtonForm else {
      preconditionFailure("a step of K-FAC without a model of the loss")
    }
    let vectors = changes.prefix(slices.count)
    try clock.time(.exchange) {
      for (slice, vector) in zip(slices, vectors) {
        _ = vector[self.slices[rank]].update(fromContentsOf: slice)
        try world.allGather(vector.all, slices: self.slices)
      }
    }
    return try clock.time(.quadratic) {
      try form(vectors.map { UnsafeBufferPointer($0.all) })
    }
  }
}

extension KFAC: DampedOptimizer {
  var directionsTaken: Int { stepsTaken }
  var takesDirectionNext: Bool { true }

  /// Returns the change that was added to the parameters, before rounding.
  func lastChange(
    from before: borrowing MutableSpan<Element>, to after: UnsafeBufferPointer<Element>
  ) -> UnsafeBufferPointer<Element> { UnsafeBufferPointer(direction.all) }

  /// Returns `δᵀ(G + λI)δ`.
  @specialized(where Element == Float)
  @specialized(where Element == Double)
  func quadraticForm(
    of change: UnsafeBufferPointer<Element>, model: QuadraticModel<Element>?,
    on world: Communicator,
    clock: PhaseClock
  ) throws -> Double {
    let square = try clock.time(.sum) {
      try gradient.dot(change, change, cells: gradient.cells, on: world)
    }
    return try formOf([change], model, on: world, clock: clock)[0] + damping * square
  }
}
