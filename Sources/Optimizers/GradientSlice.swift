import LinearAlgebra
import MPI
import Sharding

/// This rank's slice of the gradient that an optimizer works with, and its norm over all ranks.
struct GradientSlice {
  let cells: [Range<Int>]
  private let values: Buffer<Float>
  private let squares: Buffer<Double>
  let sum: TreeSum

  init(_ partition: CellPartition, rank: Int) {
    cells = partition.cellsInSlice(of: rank)
    values = Buffer(count: partition.slice(of: rank).count)
    squares = Buffer(count: cells.count)
    sum = TreeSum(partition, rank: rank)
  }

  var slice: UnsafeBufferPointer<Float> { UnsafeBufferPointer(values.all) }

  /// Where the gradient may be brought to another form.
  var mutableSlice: UnsafeMutableBufferPointer<Float> { values.all }

  /// Takes over the mean gradient, with the coupled part of the weight decay: g = ∇ + ω·w.
  func load(_ gradient: Span<Float>, decay: WeightDecay, parameters: borrowing MutableSpan<Float>) {
    precondition(
      gradient.count == values.count && parameters.count == values.count,
      "slices of \(gradient.count) and \(parameters.count) for \(values.count) coordinates")
    let rate: Float = if case .coupled(let rate) = decay { rate } else { 0 }
    for cell in cells {
      for i in cell { values.pointer[i] = gradient[i] + rate * parameters[i] }
    }
  }

  /// Takes over the mean gradient, as `load` does, and tells its norm over the whole of d. Collective.
  func measure(
    _ gradient: Span<Float>, decay: WeightDecay, parameters: borrowing MutableSpan<Float>,
    on world: Communicator, clock: PhaseClock
  ) throws -> StepOutcome {
    try clock.time(.sum) {
      load(gradient, decay: decay, parameters: parameters)
      writeSquares(into: squares.pointer, stride: 1)
      let square = try sum.total(of: squares.all, width: 1, on: world)[0]
      return StepOutcome(gradientNorm: square.squareRoot())
    }
  }

  /// `g·g` of each cell alone, `stride` numbers apart.
  func writeSquares(into squares: UnsafeMutablePointer<Double>, stride: Int) {
    for (index, cell) in cells.enumerated() {
      let piece = UnsafeBufferPointer(values[cell])
      squares[index * stride] = MixedPrecision.dot(piece, piece)
    }
  }
}
