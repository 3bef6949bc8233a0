import Curvature
import LinearAlgebra
import MPI
import Sharding

/// Judges a weight by what a quadratic model of the loss says of its removal, and lets the weights that
/// stay answer: WoodFisher and M-FAC, with updates for single weights or for all that go together.
///
/// Of several candidates it takes the one of the least held-out loss, of equal ones the first: a mask by
/// each λ and η, and of each mask the updates by all λ, η and τ.
public struct FisherPruning: PruningMethod {
  private let rows: GradientRows
  private let partition: CellPartition
  private let candidates: ModelCandidates
  private let judge: (any HeldOutJudge)?
  private let isBlockwise: Bool
  private let answer: BrainSurgeon.Update
  private let groups: [Range<Int>]
  private let rank: Int

  /// - Parameters:
  ///   - rows: this rank's columns of the gradients.
  ///   - partition: the cells, and who has which; block by block, a cell is a block.
  ///   - judge: needed where there are several candidates.
  ///   - isBlockwise: whether the model is taken block by block.
  ///   - groups: of the vector [d]; their weights go together, and are judged so where the model is taken
  ///     whole: the first of them has the saliency of all, the others have none.
  public init(
    rows: GradientRows, partition: CellPartition, candidates: ModelCandidates,
    judge: (any HeldOutJudge)? = nil, isBlockwise: Bool, answer: BrainSurgeon.Update,
    groups: [Range<Int>] = [], rank: Int
  ) {
    precondition(candidates.count == 1 || judge != nil, "\(candidates.count) candidates, no judge")
    self.rows = rows
    self.partition = partition
    self.candidates = candidates
    self.judge = judge
    self.isBlockwise = isBlockwise
    self.answer = answer
    self.groups = groups
    self.rank = rank
  }

  private func surgeon(
    _ weights: UnsafeBufferPointer<Float>, _ model: BrainSurgeon.Model
  ) -> BrainSurgeon {
    BrainSurgeon(
      rows: rows, partition: partition, weights: weights, damping: model.damping,
      gradientScale: model.gradientScale, isBlockwise: isBlockwise, rank: rank)
  }

  /// By the first candidate.
  private var judgesGroups: Bool { !isBlockwise && !groups.isEmpty }

  public func saliencies(
    of weights: UnsafeBufferPointer<Float>, under mask: Mask, on world: Communicator
  ) throws -> [Double] {
    let surgeon = surgeon(weights, candidates.models[0])
    guard judgesGroups else {
      return try surgeon.coordinates(removing: mask.isRemoved, on: world).map(\.cost)
    }
    return try surgeon.costs(
      ofGroups: groups, removing: mask.isRemoved,
      slices: partition.slices, on: world)
  }

  /// By the first candidate, at a step of 1.
  public func remove(
    by mask: Mask, from weights: UnsafeMutableBufferPointer<Float>, on world: Communicator
  ) throws -> Removed {
    try remove(by: mask, from: weights, measuresCondition: false, on: world)
  }

  /// - Parameter measuresCondition: whether it is told, at the cost of the system's eigenvalues.
  private func remove(
    by mask: Mask, from weights: UnsafeMutableBufferPointer<Float>, measuresCondition: Bool,
    on world: Communicator
  ) throws -> Removed {
    let surgeon = self.surgeon(UnsafeBufferPointer(weights), candidates.models[0])
    let (updated, prediction, condition) = try surgeon.update(
      answer, removing: mask.isRemoved, measuresCondition: measuresCondition, on: world)
    _ = weights.update(fromContentsOf: updated)
    return Removed(
      prediction: prediction, condition: condition,
      error: answer == .joint ? try surgeon.largestError(on: world) : nil)
  }

  public func prune(
    _ weights: UnsafeMutableBufferPointer<Float>, after previous: Mask, by path: MaskPath,
    on world: Communicator
  ) throws -> PrunedStage {
    let own = UnsafeBufferPointer(weights)
    var seconds = StageSeconds()
    let saliencies =
      try path.saliencies
      ?? seconds.time(\.selection) {
        try self.saliencies(byEach: candidates.models, of: own, under: previous, on: world)
      }
    var trials = HeldOutTrials(of: own, by: judge)
    for (index, model) in candidates.models.enumerated() {
      let mask = try seconds.time(\.selection) {
        try path.mask(
          by: with(model), of: own, after: previous, saliencies: saliencies[index], on: world)
      }
      if candidates.count == 1, candidates.steps == [1] {
        let removed = try seconds.time(\.removal) {
          try remove(by: mask, from: weights, measuresCondition: true, on: world)
        }
        return PrunedStage(
          mask: mask, removed: removed, choice: nil, seconds: seconds, saliencies: saliencies)
      }
      // Where kept weights stay as they are, all updates and steps are one.
      let updating =
        answer == .none
        ? ModelCandidates(model, step: candidates.steps[0]) : candidates
      let updates = try seconds.time(\.removal) {
        try self.updates(by: updating, of: own, under: mask, on: world)
      }
      try seconds.time(\.judging) {
        for (update, result) in zip(updating.models, updates) {
          for (place, step) in updating.steps.enumerated() {
            try trials.add(
              (model, update, step), under: mask, to: result.weights,
              Removed(
                prediction: result.predictions?[place], condition: result.condition,
                error: result.error),
              on: world)
          }
        }
      }
    }
    guard let best = trials.best else {
      throw PruningError(
        "no candidate leaves the network a finite held-out loss: expected larger --damping, or smaller "
          + "--gradient-scale or --step")
    }
    _ = weights.update(fromContentsOf: best.weights)
    return PrunedStage(
      mask: best.mask, removed: best.removed, choice: trials.choice, seconds: seconds,
      saliencies: saliencies)
  }

  /// All candidates judge the same weights first.
  private func saliencies(
    byEach models: [BrainSurgeon.Model], of weights: UnsafeBufferPointer<Float>, under mask: Mask,
    on world: Communicator
  ) throws -> [[Double]] {
    guard models.count > 1, !judgesGroups else {
      return try models.map { try with($0).saliencies(of: weights, under: mask, on: world) }
    }
    return try surgeon(weights, models[0]).costs(removing: mask.isRemoved, for: models, on: world)
  }

  /// The mask by the first candidate, improved as the path says.
  public func improved(
    _ mask: Mask, of weights: UnsafeBufferPointer<Float>, after previous: Mask, by path: MaskPath,
    on world: Communicator
  ) throws -> Mask {
    let surgeon = surgeon(weights, candidates.models[0])
    return switch path.improvement {
    case .none: mask
    case .exchange:
      try MaskExchange(surgeon, path, after: previous, on: world).improved(mask)
    case .thresholding:
      try MaskThresholding(surgeon, path, after: previous, on: world).improved(mask)
    }
  }

  private typealias Update = (
    weights: [Float], predictions: [Double]?, condition: Double?, error: Double?
  )

  /// What each model makes of the weights by one mask.
  private func updates(
    by candidates: ModelCandidates, of weights: UnsafeBufferPointer<Float>, under mask: Mask,
    on world: Communicator
  ) throws -> [Update] {
    guard answer == .joint else {
      return try candidates.models.map {
        let weights = try self.surgeon(weights, $0).update(
          answer, removing: mask.isRemoved, on: world
        )
        .weights
        return (weights, nil, nil, nil)
      }
    }
    let surgeon = self.surgeon(weights, candidates.models[0])
    let updates = try surgeon.jointUpdates(
      removing: mask.isRemoved, for: candidates.models, steps: candidates.steps, on: world)
    let error = try surgeon.largestError(on: world)
    return updates.map { ($0.weights, $0.predictions, $0.condition, error) }
  }

  /// The same with one of the candidates.
  private func with(_ model: BrainSurgeon.Model) -> FisherPruning {
    FisherPruning(
      rows: rows, partition: partition, candidates: ModelCandidates(model),
      isBlockwise: isBlockwise, answer: answer, groups: groups, rank: rank)
  }
}
