import Curvature
import LinearAlgebra
import MPI
import Sharding

/// How weights are judged, and with it how those that stay answer a removal.
public enum PruningMethod: String, CaseIterable, Sendable {
  /// By the square of a weight: what the loss would lose if its Hessian were a multiple of the
  /// identity. The others stay as they are.
  case magnitude
  /// By `w²F_ii/2`, F the diagonal of the damped empirical Fisher matrix alone: Optimal Brain
  /// Damage (LeCun, Denker and Solla, 1990). The others stay as they are.
  case diagonal
  /// By a quadratic model of the loss whose matrix F is taken block by block; the others may
  /// answer. WoodFisher (Singh and Alistarh, 2020).
  case woodfisher
  /// By the same model with F whole. M-FAC (Frantar, Kurtic and Alistarh, 2021).
  case mfac

  /// Whether it judges by gradients.
  public var takesGradients: Bool {
    switch self {
    case .magnitude: false
    case .diagonal, .woodfisher, .mfac: true
    }
  }

  /// Whether it has a model of the loss by which kept weights can answer, for which λ, η and τ can
  /// be chosen among several.
  public var hasModel: Bool {
    switch self {
    case .magnitude, .diagonal: false
    case .woodfisher, .mfac: true
    }
  }

  /// Whether F is taken block by block.
  public var isBlockwise: Bool { self == .woodfisher }

  /// How the weights are cut into cells: block by block where the matrix is, else as ever.
  ///
  /// - Parameter tensors: where each begins, the first at 0, so that no block is of two.
  public func cells(of count: Int, blockSize: Int, tensors: [Int]) -> Cells {
    guard isBlockwise else { return Cells(parameterCount: count) }
    return Cells(parameterCount: count, size: blockSize, restartingAt: tensors)
  }
}

/// A method with the gradients by which it judges weights and updates those that stay. It knows
/// neither sparsities nor masks but those that it is given.
public struct PruningCriterion {
  private let method: PruningMethod
  private let rows: GradientRows?
  private let partition: CellPartition
  private let update: PruningUpdate
  private let groups: [Range<Int>]
  private let rank: Int

  /// - Parameters:
  ///   - rows: this rank's columns of the gradients; not needed for magnitudes.
  ///   - partition: the cells, and who has which; block by block, a cell is a block.
  ///   - update: how kept weights answer, where the method has a model of the loss.
  ///   - groups: of the vector [d]; their weights go together, and are judged so where the model is
  ///     taken whole: the first of them has the saliency of all, the others have none.
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

  /// Whether kept weights answer.
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

  /// What the loss is thought to lose by each weight alone, finite numbers. Collective.
  ///
  /// - Parameters:
  ///   - weights: this rank's slice.
  ///   - mask: of the weights that are there; the saliencies of the others are not looked at.
  ///   - models: λ and η; magnitudes know none, and a diagonal no η.
  /// - Returns: by each of the models, one for each weight of the slice.
  @specialized(where Element == Float)
  @specialized(where Element == Double)
  public func saliencies<Element: Scalar>(
    of weights: UnsafeBufferPointer<Element>, under mask: Mask, by models: [SurgeonModel.Settings],
    on world: Communicator
  ) throws -> [[Double]] {
    switch method {
    case .magnitude:
      // Exact for weights of 24 bits, whose products have 48.
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

  /// What a removal makes of the weights.
  struct Update<Element: Scalar> {
    /// Shape [d/p], zero where they are removed.
    let weights: [Element]
    /// For each step τ the change of the loss that the model predicts; nil where it predicts none.
    var predictions: [Double]?
    /// The system that was solved: its largest eigenvalue over its least, where that was measured.
    var condition: Double?
    /// A bound on the relative error of the update, where one was solved for.
    var error: Double?
  }

  /// Removes weights by a mask, and has the others answer by each of the models at a step of 1.
  /// Collective.
  ///
  /// - Parameter measuresCondition: whether a single model's is measured, at the cost of the
  ///   system's eigenvalues.
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

/// What cannot be pruned as asked: one line naming the setting or the tensor, and what was
/// expected. All ranks see it together, or agree on it.
public struct PruningError: SharedError, DiagnosticError {
  public let diagnostic: Diagnostic

  /// - Parameter diagnostic: what is wrong, what was expected, and what was got.
  public init(_ diagnostic: Diagnostic) { self.diagnostic = diagnostic }
}

// All ranks see them together: what they tell of is summed over the ranks, or agreed on.
extension LostDigits: SharedError {}
extension GradientsTooLarge: SharedError {}
