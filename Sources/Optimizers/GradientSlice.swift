import Curvature
import LinearAlgebra
import MPI
import Sharding

/// This rank's slice of the gradient that an optimizer works with, and its norm over all ranks.
struct GradientSlice<Element: Scalar> {
  private(set) var parameters: ParameterSlice
  private let decay: WeightDecay
  private let clipNorm: Double?
  private let values: Buffer<Element>
  private let products: Buffer<Double>
  let sum: TreeSum

  /// - Parameter clipNorm: the largest norm of the gradient over the whole of d, or nil.
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

  /// Goes on with other parameters that stay zero.
  mutating func updateZeros(_ groups: ParameterGroups, _ partition: CellPartition, rank: Int) {
    parameters = ParameterSlice(partition, rank: rank, groups: groups)
  }

  var slice: UnsafeBufferPointer<Element> { UnsafeBufferPointer(values.all) }
  var cells: [Range<Int>] { parameters.cells }

  /// Where the gradient may be brought to another form.
  var mutableSlice: UnsafeMutableBufferPointer<Element> { values.all }

  /// Whether loading a gradient takes its norm first.
  var clips: Bool { clipNorm != nil }

  /// Takes over the mean gradient ∇ as g = γ∇ + ω·w, with the coupled part of the weight decay;
  /// what stays zero has none. Collective where it clips.
  ///
  /// γ = min(1, c/(‖∇‖ + 1e-6)) where the norm is clipped at c, else 1: PyTorch's
  /// `clip_grad_norm_`.
  ///
  /// - Returns: where it clips, ‖∇‖² over the whole of d before that; where it is not finite, g is
  ///   not to be used.
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

  /// Takes over the mean gradient, as `load` does, and tells its norm, before clipping where it
  /// clips. Collective.
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

  /// `x·y` over all ranks, of vectors of which this rank has `cells`. Collective.
  func dot(
    _ x: UnsafeBufferPointer<Element>, _ y: UnsafeBufferPointer<Element>, cells: [Range<Int>],
    on world: Communicator
  ) throws -> Double {
    Self.writeDots(x, y, cells: cells, into: products.pointer, stride: 1)
    return try sum.total(of: products[0..<cells.count], width: 1, on: world)[0]
  }

  /// `g·g` of each cell alone, `stride` numbers apart.
  func writeSquares(into squares: UnsafeMutablePointer<Double>, stride: Int) {
    Self.writeDots(slice, slice, cells: cells, into: squares, stride: stride)
  }

  /// `g·x` of each cell alone, over the parameters whose group has curvature, or over the others;
  /// `stride` numbers apart.
  func writeDots(
    with x: UnsafeBufferPointer<Element>, hasCurvature: Bool,
    into dots: UnsafeMutablePointer<Double>, stride: Int
  ) {
    writeDots(
      slice, x, scales: parameters.groups.map { $0.usesMFAC == hasCurvature ? 1 : 0 }, into: dots,
      stride: stride)
  }

  /// `Σ cᵢ xᵢ yᵢ` over all ranks, of pairs of vectors of which this rank has its slice; c has a
  /// number for each group. Collective.
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

  /// `Σ cᵢ xᵢ yᵢ` of each cell alone, c of each group.
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

  /// `g·x` over the parameters of all ranks whose group has curvature. Collective.
  func dotWithCurvature(
    _ x: UnsafeBufferPointer<Element>, on world: Communicator
  ) throws -> Double {
    writeDots(with: x, hasCurvature: true, into: products.pointer, stride: 1)
    return try sum.total(of: products[0..<cells.count], width: 1, on: world)[0]
  }

  /// How a direction u lies to the gradient. Collective.
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
