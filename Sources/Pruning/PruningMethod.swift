import MPI

/// How weights are judged, and what becomes of those that stay.
public protocol PruningMethod {
  /// What the loss is thought to lose by each weight alone, finite ones. Collective.
  ///
  /// - Parameters:
  ///   - weights: this rank's slice.
  ///   - mask: of the weights that are there; the saliencies of the others are not looked at.
  /// - Returns: one for each weight of the slice.
  func saliencies(
    of weights: UnsafeBufferPointer<Float>, under mask: Mask, on world: Communicator
  ) throws -> [Double]

  /// Makes the removed weights zero, and moves those that stay to make up for them. Collective.
  ///
  /// - Parameter weights: this rank's slice.
  /// - Returns: the change of the loss that the method predicts, the same on all ranks, where it does.
  func remove(
    by mask: Mask, from weights: UnsafeMutableBufferPointer<Float>, on world: Communicator
  ) throws -> Double?
}

/// Judges a weight by its square: what the loss would lose if its Hessian were a multiple of the
/// identity. The others stay as they are.
public struct MagnitudePruning: PruningMethod {
  public init() {}

  public func saliencies(
    of weights: UnsafeBufferPointer<Float>, under mask: Mask, on world: Communicator
  ) -> [Double] {
    // Exact: a product of two numbers of 24 bits has 48.
    weights.map { Double($0) * Double($0) }
  }

  public func remove(
    by mask: Mask, from weights: UnsafeMutableBufferPointer<Float>, on world: Communicator
  ) -> Double? {
    mask.apply(to: weights)
    return nil
  }
}
