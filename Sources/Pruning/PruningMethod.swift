import MPI
import Sharding

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
  func remove(
    by mask: Mask, from weights: UnsafeMutableBufferPointer<Float>, on world: Communicator
  ) throws -> Removed

  /// A mask of the same sparsity, improved as the path says. Collective.
  ///
  /// - Parameters:
  ///   - weights: this rank's slice.
  ///   - previous: what it has removed stays removed.
  func improved(
    _ mask: Mask, of weights: UnsafeBufferPointer<Float>, after previous: Mask, by path: MaskPath,
    on world: Communicator
  ) throws -> Mask

  /// Finds a mask, and removes by it. Collective.
  ///
  /// - Parameters:
  ///   - weights: this rank's slice.
  ///   - previous: what it has removed stays removed.
  func prune(
    _ weights: UnsafeMutableBufferPointer<Float>, after previous: Mask, by path: MaskPath,
    on world: Communicator
  ) throws -> PrunedStage
}

/// What a method says of a removal, the same on all ranks.
public struct Removed: Sendable {
  /// The change of the loss that it predicts, where it does.
  public var prediction: Double?
  /// Of the system that it has solved, its largest eigenvalue over its least, where it was measured.
  public var condition: Double?
  /// A bound on the relative error of the update, where one was solved for.
  public var error: Double?

  /// Nothing, where the method says nothing.
  public init(prediction: Double? = nil, condition: Double? = nil, error: Double? = nil) {
    self.prediction = prediction
    self.condition = condition
    self.error = error
  }
}

/// What came of a stage of pruning.
public struct PrunedStage: Sendable {
  /// What stays after the stage.
  public let mask: Mask
  /// What the method says of the removal.
  public let removed: Removed
  /// By which the candidates were judged, where there were several.
  public let choice: HeldOutChoice?
  /// What the stage's parts have taken on this rank.
  public let seconds: StageSeconds
  /// By each candidate, of the weights that the stage began with.
  public let saliencies: [[Double]]
}

extension PruningMethod {
  public func improved(
    _ mask: Mask, of weights: UnsafeBufferPointer<Float>, after previous: Mask, by path: MaskPath,
    on world: Communicator
  ) throws -> Mask {
    precondition(path.improvement == .none, "\(path.improvement) by \(Self.self)")
    return mask
  }

  public func prune(
    _ weights: UnsafeMutableBufferPointer<Float>, after previous: Mask, by path: MaskPath,
    on world: Communicator
  ) throws -> PrunedStage {
    var seconds = StageSeconds()
    let own = UnsafeBufferPointer(weights)
    let saliencies =
      try path.saliencies
      ?? seconds.time(\.selection) { [try self.saliencies(of: own, under: previous, on: world)] }
    let mask = try seconds.time(\.selection) {
      try path.mask(by: self, of: own, after: previous, saliencies: saliencies[0], on: world)
    }
    let removed = try seconds.time(\.removal) { try remove(by: mask, from: weights, on: world) }
    return PrunedStage(
      mask: mask, removed: removed, choice: nil, seconds: seconds, saliencies: saliencies)
  }
}

/// Judges a weight by its square: what the loss would lose if its Hessian were a multiple of the
/// identity. The others stay as they are.
public struct MagnitudePruning: PruningMethod {
  /// It has no settings.
  public init() {}

  public func saliencies(
    of weights: UnsafeBufferPointer<Float>, under mask: Mask, on world: Communicator
  ) -> [Double] {
    // Exact: a product of two numbers of 24 bits has 48.
    weights.map { Double($0) * Double($0) }
  }

  public func remove(
    by mask: Mask, from weights: UnsafeMutableBufferPointer<Float>, on world: Communicator
  ) -> Removed {
    mask.apply(to: weights)
    return Removed()
  }
}
