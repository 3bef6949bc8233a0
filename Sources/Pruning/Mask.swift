import MPI
import Sharding

/// Which weights of this rank's slice are kept; the others are zero and stay so.
public struct Mask: Sendable, Equatable {
  /// The coordinates of this rank, of the vector [d].
  public let slice: Range<Int>
  /// One for each coordinate of the slice.
  public internal(set) var isKept: [Bool]

  /// Keeps all weights.
  public init(slice: Range<Int>) {
    self.slice = slice
    isKept = [Bool](repeating: true, count: slice.count)
  }

  /// - Parameters:
  ///   - isKept: one for each coordinate of the slice.
  public init(slice: Range<Int>, isKept: [Bool]) {
    precondition(
      isKept.count == slice.count, "a mask of \(isKept.count) for the slice \(slice)")
    self.slice = slice
    self.isKept = isKept
  }

  /// One for each coordinate of the slice.
  var isRemoved: [Bool] { isKept.map { !$0 } }

  /// Writes the removed weights as zero, the kept ones a step τ of the way `from` … `to`.
  func step(
    _ step: Double, from: UnsafeBufferPointer<Float>, to: [Float],
    into result: UnsafeMutableBufferPointer<Float>
  ) {
    for i in isKept.indices {
      let (a, b) = (Double(from[i]), Double(to[i]))
      // At 1 the numbers themselves, without rounding.
      result[i] = !isKept[i] ? 0 : step == 1 ? to[i] : Float(a + step * (b - a))
    }
  }

  /// Makes the removed weights of a slice zero.
  public func apply(to weights: UnsafeMutableBufferPointer<Float>) {
    precondition(
      weights.count == slice.count, "\(weights.count) weights under a mask for \(slice)")
    for i in isKept.indices where !isKept[i] { weights[i] = 0 }
  }

  /// ‖δ_R‖/‖w_R‖ of the kept weights, over all ranks; 0 where none is kept. Collective.
  ///
  /// - Parameters:
  ///   - before: w of this rank's slice.
  ///   - after: w + δ of it.
  public func relativeChange(
    from before: [Float], to after: UnsafeBufferPointer<Float>, partition: CellPartition,
    on world: Communicator
  ) throws -> Double {
    let cells = partition.cellsInSlice(of: world.rank)
    var squares = [Double](repeating: 0, count: 2 * cells.count)
    for (cell, range) in cells.enumerated() {
      for i in range where isKept[i] {
        let (old, change) = (Double(before[i]), Double(after[i]) - Double(before[i]))
        squares[2 * cell] += change * change
        squares[2 * cell + 1] += old * old
      }
    }
    let sums = try squares.withUnsafeMutableBufferPointer {
      try TreeSum(partition, rank: world.rank).total(of: $0, width: 2, on: world)
    }
    return sums[0] == 0 ? 0 : (sums[0] / sums[1]).squareRoot()
  }

  /// How many weights of each tensor are kept, over all ranks. Collective.
  public func keptCounts(of tensors: [WeightTensor], on world: Communicator) throws -> [Int] {
    var own = tensors.map { tensor in
      let range = tensor.range.clamped(to: slice)
      return Double(range.count { isKept[$0 - slice.lowerBound] })
    }
    // Counts: exact in any order.
    let sum = TreeSum(Partition(of: world.size, over: world.size), rank: world.rank)
    return try own.withUnsafeMutableBufferPointer {
      try sum.total(of: $0, width: $0.count, on: world)
    }.map { Int($0) }
  }
}
