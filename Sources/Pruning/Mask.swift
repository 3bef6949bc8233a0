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

  /// Makes the removed weights of a slice zero.
  public func apply(to weights: UnsafeMutableBufferPointer<Float>) {
    precondition(
      weights.count == slice.count, "\(weights.count) weights under a mask for \(slice)")
    for i in isKept.indices where !isKept[i] { weights[i] = 0 }
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
