import Curvature
import MPI

/// Judges a weight by `w²F_ii/2`, F the diagonal of the damped empirical Fisher matrix alone: Optimal
/// Brain Damage (LeCun, Denker and Solla, 1990). The others stay as they are.
public struct DiagonalPruning: PruningMethod {
  private let rows: GradientRows
  private let damping: Double

  /// - Parameters:
  ///   - rows: this rank's columns of the gradients.
  ///   - damping: λ > 0.
  public init(rows: GradientRows, damping: Double) {
    self.rows = rows
    self.damping = damping
  }

  public func saliencies(
    of weights: UnsafeBufferPointer<Float>, under mask: Mask, on world: Communicator
  ) -> [Double] {
    var saliencies: [Double] = []
    for block in rows.blocks.indices { saliencies += rows.squareSums(ofBlock: block) }
    return zip(saliencies, weights).map { sum, weight in
      Double(weight) * Double(weight) * (damping + sum / Double(rows.count)) / 2
    }
  }

  public func remove(
    by mask: Mask, from weights: UnsafeMutableBufferPointer<Float>, on world: Communicator
  ) -> Removed {
    mask.apply(to: weights)
    return Removed()
  }
}
