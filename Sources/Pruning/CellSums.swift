import Curvature
import MPI

extension GradientRows {
  /// `Gx` over all ranks' columns, shape [m], the same on all ranks. Collective.
  ///
  /// - Parameters:
  ///   - x: this rank's slice, shape [d/p].
  ///   - sum: over the cells, of which this rank's are the blocks.
  func products(
    with x: UnsafeBufferPointer<Double>, over sum: TreeSum, on world: Communicator
  ) throws -> [Double] {
    let first = sum.share.lowerBound
    return try sum.total(width: count, on: world) { cell, sums in
      writeProducts(ofBlock: cell - first, with: x, into: sums.baseAddress!)
    }
  }
}

// All ranks see them together: what they tell of is summed over the ranks, or agreed on.
extension LostDigits: SharedError {}
extension GradientsTooLarge: SharedError {}
