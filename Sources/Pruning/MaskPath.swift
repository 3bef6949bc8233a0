import Curvature
import MPI
import Sharding

/// How a mask comes about in a stage of pruning.
public struct MaskPath: Sendable {
  /// Which weights compete, and for what.
  public let selection: Selection
  /// Who owns which weights.
  public let partition: CellPartition
  /// One after another: at each, the weights that go are judged with those before them gone.
  public let sparsities: [Double]
  /// What becomes of the mask at the last sparsity.
  public let improvement: Improvement
  /// Of the first part, by each of a method's candidates, where they are known: paths of a sweep begin
  /// with the same.
  public let saliencies: [[Double]]?

  /// What becomes of the mask at the last sparsity, where the method has a model of the whole loss.
  public enum Improvement: Sendable {
    case none
    /// Removed weights are exchanged for kept ones while the model's minimum falls.
    case exchange
    /// Iterative hard thresholding.
    case thresholding

    /// Bytes that it takes on a rank beside the method, of m gradients and a slice of `count` weights: two
    /// masks with what is known of each coordinate at their minima, or with its weight and slope.
    public func bytes(gradients m: Int, count: Int) -> Int {
      switch self {
      case .none: 0
      case .exchange:
        8 * (2 * Removal.width(count: m) + 6 * MaskExchange.pairCandidates * (m + 3))
          + 2 * (MemoryLayout<Removal.Coordinate>.stride + 32) * count
      case .thresholding: 64 * count
      }
    }
  }

  /// - Parameters:
  ///   - sparsities: ascending, the last one that of the stage.
  ///   - saliencies: of the first part, by candidate, this rank's slice; nil where they are to be computed.
  public init(
    _ selection: Selection, partition: CellPartition, sparsities: [Double],
    improvement: Improvement = .none, saliencies: [[Double]]? = nil
  ) {
    precondition(!sparsities.isEmpty, "no sparsity")
    precondition(
      improvement == .none || selection.pattern == .unstructured,
      "\(improvement) in the pattern \(selection.pattern)")
    self.selection = selection
    self.partition = partition
    self.sparsities = sparsities
    self.improvement = improvement
    self.saliencies = saliencies
  }

  /// The mask that a method comes to. Collective.
  ///
  /// - Parameters:
  ///   - weights: this rank's slice.
  ///   - previous: what it has removed stays removed.
  ///   - saliencies: the method's of these weights.
  public func mask(
    by method: any PruningMethod, of weights: UnsafeBufferPointer<Float>, after previous: Mask,
    saliencies first: [Double], on world: Communicator
  ) throws -> Mask {
    var mask = previous
    for (index, sparsity) in sparsities.enumerated() {
      let saliencies =
        index == 0 ? first : try method.saliencies(of: weights, under: mask, on: world)
      mask = try saliencies.withUnsafeBufferPointer {
        try selection.mask(
          removing: sparsity, bySaliency: $0, after: mask, partition: partition, on: world)
      }
    }
    return try method.improved(mask, of: weights, after: previous, by: self, on: world)
  }
}
