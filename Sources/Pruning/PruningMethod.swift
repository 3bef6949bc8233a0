import Curvature
import LinearAlgebra
import MPI
import Sharding

/// Selects the saliency criterion; it also decides whether kept weights can be updated.
public enum PruningMethod: String, CaseIterable, Sendable {
  /// Saliency w²: the increase of the loss if its Hessian were a multiple of the identity. Kept
  /// weights stay unchanged.
  case magnitude
  /// Saliency `w²F_ii/2`, with the diagonal of the damped empirical Fisher matrix F: Optimal Brain
  /// Damage (LeCun, Denker and Solla, 1990). Kept weights stay unchanged.
  case diagonal
  /// A quadratic model of the loss with the diagonal blocks of F; kept weights may be updated.
  /// WoodFisher (Singh and Alistarh, 2020).
  case woodfisher
  /// The same model with the whole F. M-FAC (Frantar, Kurtic and Alistarh, 2021).
  case mfac

  /// True if the saliency needs gradients.
  public var takesGradients: Bool {
    switch self {
    case .magnitude: false
    case .diagonal, .woodfisher, .mfac: true
    }
  }

  /// True if the method has a model of the loss. The model can update kept weights, and λ, η and τ
  /// can be chosen among several candidates.
  public var hasModel: Bool {
    switch self {
    case .magnitude, .diagonal: false
    case .woodfisher, .mfac: true
    }
  }

  /// True if the method uses the diagonal blocks of F.
  public var isBlockwise: Bool { self == .woodfisher }

  /// Returns the cells of the vector: the blocks of F for a blockwise method, else the default
  /// cells.
  ///
  /// - Parameter tensors: each tensor's start, the first at 0; no block spans two tensors.
  public func cells(of count: Int, blockSize: Int, tensors: [Int]) -> Cells {
    guard isBlockwise else { return Cells(parameterCount: count) }
    return Cells(parameterCount: count, size: blockSize, restartingAt: tensors)
  }
}

/// Computes saliencies and updates by a method and its gradients. The caller chooses sparsities and
/// masks.
public struct PruningCriterion {
  private let method: PruningMethod
  private let rows: GradientRows?
  private let partition: CellPartition
  private let update: PruningUpdate
  private let groups: [Range<Int>]
  private let rank: Int

  /// Creates a criterion for this rank's slice.
  ///
  /// - Parameters:
  ///   - rows: this rank's columns of the gradients; not needed for magnitudes.
  ///   - partition: the cells and their owners; in the blockwise form, a cell is a block.
  ///   - update: the update of kept weights, if the method has a model of the loss.
  ///   - groups: ranges of the vector [d] whose weights are removed together. With the whole
  ///     matrix, a group's first weight gets the saliency of the group, and its other weights get
  ///     0.
  public init(
    _ method: PruningMethod, by rows: GradientRows?, partition: CellPartition,
    update: PruningUpdate, groups: [Range<Int>] = [], rank: Int
  ) {
    precondition(rows != nil || !method.takesGradients, "\(method) without gradients")
    self.method = method
    self.rows = rows
    self.partition = partition
    self.update = method.hasModel ? update : .none
    self.groups = groups
    self.rank = rank
  }

  /// True if kept weights are updated.
  var updatesKept: Bool { update != .none }

  func surgeon<Element: Scalar>(
    of weights: UnsafeBufferPointer<Element>, _ model: SurgeonModel.Settings
  ) -> BrainSurgeon<Element> {
    guard method.hasModel, let rows else {
      preconditionFailure("a model of the loss by \(method)")
    }
    return BrainSurgeon(
      rows: rows, partition: partition, weights: weights, damping: model.damping,
      gradientScale: model.gradientScale, isBlockwise: method.isBlockwise, rank: rank)
  }

  /// Returns the estimated increase of the loss for removing each weight alone, as finite numbers.
  /// Collective.
  ///
  /// - Parameters:
  ///   - weights: this rank's slice.
  ///   - mask: the kept weights; the saliencies of removed ones are not used.
  ///   - models: λ and η; magnitudes use neither, the diagonal only λ.
  /// - Returns: for each model, one saliency per weight of the slice.
  @specialized(where Element == Float)
  @specialized(where Element == Double)
  public func saliencies<Element: Scalar>(
    of weights: UnsafeBufferPointer<Element>, under mask: Mask, by models: [SurgeonModel.Settings],
    on world: Communicator
  ) throws -> [[Double]] {
    switch method {
    case .magnitude:
      // A weight has 24 bits, so its square of 48 bits is exact.
      let squares = weights.map { Double($0) * Double($0) }
      return models.map { _ in squares }
    case .diagonal:
      let rows = rows!
      let sums = rows.blocks.indices.flatMap { rows.squareSums(ofBlock: $0) }
      return models.map { model in
        zip(sums, weights).map { sum, weight in
          Double(weight) * Double(weight) * (model.damping + sum / Double(rows.count)) / 2
        }
      }
    case .mfac where !groups.isEmpty:
      return try models.map {
        try surgeon(of: weights, $0).costs(
          ofGroups: groups, removing: mask.isRemoved, slices: partition.slices, on: world)
      }
    case .woodfisher, .mfac:
      let surgeon = surgeon(of: weights, models[0])
      guard models.count > 1 else {
        return [try surgeon.coordinates(removing: mask.isRemoved, on: world).map(\.cost)]
      }
      return try surgeon.costs(removing: mask.isRemoved, for: models, on: world)
    }
  }

  /// Holds the weights after a removal.
  struct Update<Element: Scalar> {
    /// Shape [d/p], zero for removed weights.
    let weights: [Element]
    /// The predicted change of the loss for each step τ; nil without a prediction.
    var predictions: [Double]?
    /// The condition number of the linear system (largest eigenvalue over smallest), if measured.
    var condition: Double?
    /// A bound on the relative error of a joint update.
    var error: Double?
  }

  /// Removes weights by a mask and updates the others by each of the models, at a step of 1.
  /// Collective.
  ///
  /// - Parameter measuresCondition: measures the condition number for a single model, at the cost
  ///   of the system's eigenvalues.
  func updates<Element: Scalar>(
    of weights: UnsafeBufferPointer<Element>, under mask: Mask, by candidates: ModelCandidates,
    measuresCondition: Bool, on world: Communicator
  ) throws -> [Update<Element>] {
    let models = candidates.models
    switch update {
    case .none:
      return models.map { _ in
        Update(weights: zip(weights, mask.isKept).map { $1 ? $0 : 0 })
      }
    case .independent:
      return try models.map {
        let surgeon = surgeon(of: weights, $0)
        return Update(
          weights: try surgeon.update(.independent, removing: mask.isRemoved, on: world).weights)
      }
    case .joint where candidates.isSingle:
      let surgeon = surgeon(of: weights, models[0])
      let update = try surgeon.update(
        .joint, removing: mask.isRemoved, measuresCondition: measuresCondition, on: world)
      return [
        Update(
          weights: update.weights, predictions: update.prediction.map { [$0] },
          condition: update.condition, error: try surgeon.largestError(on: world))
      ]
    case .joint:
      let surgeon = surgeon(of: weights, models[0])
      let updates = try surgeon.jointUpdates(
        removing: mask.isRemoved, for: models, steps: candidates.steps, on: world)
      let error = try surgeon.largestError(on: world)
      return updates.map {
        Update(
          weights: $0.weights, predictions: $0.predictions, condition: $0.condition, error: error)
      }
    }
  }
}

/// Reports that pruning cannot be done as requested. One line names the setting or the tensor, and
/// what was expected. All ranks throw it together, or agree on it.
public struct PruningError: SharedError, DiagnosticError {
  public let diagnostic: Diagnostic

  /// Creates an error.
  ///
  /// - Parameter diagnostic: the problem, what was expected, and what was got.
  public init(_ diagnostic: Diagnostic) { self.diagnostic = diagnostic }
}

// All ranks throw these together: their values are sums over the ranks or agreed on.
extension LostDigits: SharedError {}
extension GradientsTooLarge: SharedError {}
