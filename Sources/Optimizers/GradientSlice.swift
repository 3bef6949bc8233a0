import Curvature
import LinearAlgebra
import MPI
import Sharding

/// Holds this rank's slice of the gradient as the optimizer uses it, and computes its norm over all
/// ranks.
struct GradientSlice<Element: Scalar> {
  private(set) var parameters: ParameterSlice
  private let decay: WeightDecay
  private let clipNorm: Double?
  private let values: Buffer<Element>
  private let products: Buffer<Double>
  let sum: TreeSum

  /// Creates the slice.
  ///
  /// - Parameter clipNorm: bound on the norm over the whole of d; nil: no clipping.
  init(
    _ groups: ParameterGroups, decay: WeightDecay, clipNorm: Double?, partition: CellPartition,
    rank: Int
  ) {
    parameters = ParameterSlice(partition, rank: rank, groups: groups)
    self.decay = decay
    self.clipNorm = clipNorm
    values = Buffer(count: parameters.count)
    products = Buffer(count: 3 * parameters.cells.count)
    sum = TreeSum(partition, rank: rank)
  }

  /// Replaces the set of parameters that stay zero.
  mutating func updateZeros(_ groups: ParameterGroups, _ partition: CellPartition, rank: Int) {
    parameters = ParameterSlice(partition, rank: rank, groups: groups)
  }

  var slice: UnsafeBufferPointer<Element> { UnsafeBufferPointer(values.all) }
  var cells: [Range<Int>] { parameters.cells }

  /// The gradient, which the window may overwrite with its stored form.
  var mutableSlice: UnsafeMutableBufferPointer<Element> { values.all }

  /// True if `load` computes the norm first.
  var clips: Bool { clipNorm != nil }

  /// Loads the mean gradient ∇ as g = γ∇ + ω·w, with coupled weight decay ω; g is 0 for parameters
  /// that stay zero. Collective if it clips.
  ///
  /// If the norm is clipped at c, γ = min(1, c/(‖∇‖ + 1e-6)), as in PyTorch's `clip_grad_norm_`;
  /// else γ = 1.
  ///
  /// - Returns: if it clips, ‖∇‖² over the whole of d before clipping. If that is not finite, g
  ///   must not be used.
  func load(
    _ gradient: Span<Element>, parameters weights: borrowing MutableSpan<Element>,
    on world: Communicator
  ) throws -> Double? {
    precondition(
      gradient.count == values.count && weights.count == values.count,
      "slices of \(gradient.count) and \(weights.count) for \(values.count) coordinates")
    guard let clipNorm else {
      load(gradient, scale: 1, weights)
      return nil
    }
    for cell in cells {
      for i in cell { values.pointer[i] = gradient[i] }
    }
    parameters.clearZeros(of: values.all)
    let square = try self.square(on: world)
    guard square.isFinite else { return square }
    load(gradient, scale: Element(min(1, clipNorm / (square.squareRoot() + 1e-6))), weights)
    return square
  }

  /// Loads the mean gradient, as `load` does, and returns its norm: before clipping if it clips.
  /// Collective.
  func measure(
    _ gradient: Span<Element>, parameters: borrowing MutableSpan<Element>, on world: Communicator,
    clock: PhaseClock
  ) throws -> StepOutcome {
    try clock.time(.sum) {
      let square = try load(gradient, parameters: parameters, on: world) ?? square(on: world)
      return StepOutcome(gradientNorm: square.squareRoot())
    }
  }

  private func square(on world: Communicator) throws -> Double {
    try dot(slice, slice, cells: cells, on: world)
  }

  private func load(
    _ gradient: Span<Element>, scale: Element, _ weights: borrowing MutableSpan<Element>
  ) {
    let rates = parameters.groups.map { Element(decay.at($0.weightDecay).addedToGradient) }
    for cell in cells.indices {
      for piece in parameters.pieces(ofCell: cell) {
        let rate = rates[piece.group]
        for i in piece.range { values.pointer[i] = scale * gradient[i] + rate * weights[i] }
      }
    }
    parameters.clearZeros(of: values.all)
  }

  /// Returns `x·y` over all ranks; this rank holds `cells` of both vectors. Collective.
  func dot(
    _ x: UnsafeBufferPointer<Element>, _ y: UnsafeBufferPointer<Element>, cells: [Range<Int>],
    on world: Communicator
  ) throws -> Double {
    Self.writeDots(x, y, cells: cells, into: products.pointer, stride: 1)
    return try sum.total(of: products[0..<cells.count], width: 1, on: world)[0]
  }

  /// Writes `g·g` of each cell, `stride` numbers apart.
  func writeSquares(into squares: UnsafeMutablePointer<Double>, stride: Int) {
    Self.writeDots(slice, slice, cells: cells, into: squares, stride: stride)
  }

  /// Writes `g·x` of each cell, `stride` numbers apart, over the parameters whose group has
  /// curvature, or over the others.
  func writeDots(
    with x: UnsafeBufferPointer<Element>, hasCurvature: Bool,
    into dots: UnsafeMutablePointer<Double>, stride: Int
  ) {
    writeDots(
      slice, x, scales: parameters.groups.map { $0.usesMFAC == hasCurvature ? 1 : 0 }, into: dots,
      stride: stride)
  }

  /// Returns `Σ cᵢ xᵢ yᵢ` over all ranks for pairs of vectors of which this rank holds its slice.
  /// The scales c hold one number per group. Collective.
  func dots(
    _ pairs: [(x: UnsafeBufferPointer<Element>, y: UnsafeBufferPointer<Element>, scales: [Double])],
    on world: Communicator
  ) throws -> [Double] {
    let products = Buffer<Double>(count: pairs.count * cells.count)
    for (offset, pair) in pairs.enumerated() {
      writeDots(
        pair.x, pair.y, scales: pair.scales, into: products.pointer + offset, stride: pairs.count)
    }
    return try sum.total(of: products.all, width: pairs.count, on: world)
  }

  /// Writes `Σ cᵢ xᵢ yᵢ` of each cell, with one scale c per group.
  private func writeDots(
    _ x: UnsafeBufferPointer<Element>, _ y: UnsafeBufferPointer<Element>, scales: [Double],
    into dots: UnsafeMutablePointer<Double>, stride: Int
  ) {
    for cell in cells.indices {
      dots[cell * stride] = parameters.pieces(ofCell: cell).reduce(0) { sum, piece in
        guard scales[piece.group] != 0 else { return sum }
        return sum + scales[piece.group]
          * MixedPrecision.dot(
            UnsafeBufferPointer(rebasing: x[piece.range]),
            UnsafeBufferPointer(rebasing: y[piece.range]))
      }
    }
  }

  /// Returns `g·x` over the parameters of all ranks whose group has curvature. Collective.
  func dotWithCurvature(
    _ x: UnsafeBufferPointer<Element>, on world: Communicator
  ) throws -> Double {
    writeDots(with: x, hasCurvature: true, into: products.pointer, stride: 1)
    return try sum.total(of: products[0..<cells.count], width: 1, on: world)[0]
  }

  /// Measures the length of a direction u and its angle to the gradient. Collective.
  ///
  /// - Parameter direction: this rank's slice of u, shape [d/p].
  func measure(
    direction u: UnsafeBufferPointer<Element>, on world: Communicator, clock: PhaseClock
  ) throws -> DirectionMeasure {
    try clock.time(.sum) {
      for (offset, pair) in [(u, u), (slice, u), (slice, slice)].enumerated() {
        Self.writeDots(
          pair.0, pair.1, cells: cells, into: products.pointer + offset, stride: 3)
      }
      let sums = try sum.total(of: products.all, width: 3, on: world)
      return DirectionMeasure(
        DirectionProducts(square: sums[0], withGradient: sums[1]), gradientSquare: sums[2])
    }
  }

  private static func writeDots(
    _ x: UnsafeBufferPointer<Element>, _ y: UnsafeBufferPointer<Element>, cells: [Range<Int>],
    into dots: UnsafeMutablePointer<Double>, stride: Int
  ) {
    for (index, cell) in cells.enumerated() {
      dots[index * stride] = MixedPrecision.dot(
        UnsafeBufferPointer(rebasing: x[cell]), UnsafeBufferPointer(rebasing: y[cell]))
    }
  }
}
