import Curvature
import Foundation
import LinearAlgebra
import MPI
import Sharding

/// How a sparsity is reached in events, or stages, from s₀ before the first to s_n at the last of
/// n.
public enum SparsitySchedule: Sendable, Equatable {
  /// s_k = s_n − (s_n − s₀)(1 − k/n)³; Zhu and Gupta, 2017.
  case cubic
  /// 1 − s_k = (1 − s₀)·((1 − s_n)/(1 − s₀))^(k/n): densities go down by equal factors.
  case geometric
  /// These.
  case list([Double])

  /// - Parameters:
  ///   - event: k − 1.
  ///   - count: n.
  ///   - first: s₀, before the first event.
  ///   - last: s_n, reached exactly.
  public func sparsity(
    ofEvent event: Int, of count: Int, from first: Double, to last: Double
  ) -> Double {
    let done = Double(event + 1) / Double(count)
    switch self {
    case .list(let sparsities): return sparsities[event]
    case _ where event + 1 == count: return last
    case .cubic: return last - (last - first) * pow(1 - done, 3)
    case .geometric: return 1 - (1 - first) * pow((1 - last) / (1 - first), done)
    }
  }
}

/// A pruning in stages: in each the weights that go are selected, in one part or in several, by
/// each of the candidates, and those that stay updated.
public struct SelectionPlan: Sendable {
  /// Which weights compete, and for what.
  public let selection: Selection
  /// Who owns which weights.
  public let partition: CellPartition
  /// How many stages there are.
  public let stages: Int
  /// Parts of a stage, one after another: in each, the weights that go are judged with those before
  /// them gone.
  public let parts: Int
  /// How sparsity grows from part to part.
  public let schedule: SparsitySchedule
  /// The λ, η and τ among which the least held-out loss decides in each stage: a mask by each λ and
  /// η, and of each mask the updates by all λ, η and τ.
  public let candidates: ModelCandidates
  /// What becomes of the mask after a stage's last part.
  public let improvement: Improvement
  private let measuresCondition: Bool

  /// What becomes of the mask after a stage's last part, where the method has a model of the whole
  /// loss.
  public enum Improvement: Sendable {
    case none
    /// Removed weights are exchanged for kept ones while the model's minimum falls.
    case exchange
    /// Iterative hard thresholding.
    case thresholding

    /// Bytes that it takes on a rank beside the method, of m gradients and a slice of `count`
    /// weights: two masks with what is known of each coordinate at their minima, or with its weight
    /// and slope.
    func bytes<Element: Scalar>(gradients m: Int, count: Int, of scalar: Element.Type) -> Int {
      switch self {
      case .none: 0
      case .exchange:
        8 * (2 * SurgeonModel.width(count: m) + 6 * MaskExchange<Element>.pairCandidates * (m + 3))
          + 2 * (MemoryLayout<SurgeonModel.Coordinate>.stride + 24 + 2 * MemoryLayout<Element>.size)
          * count
      case .thresholding: (48 + 4 * MemoryLayout<Element>.size) * count
      }
    }
  }

  /// - Parameters:
  ///   - measuresCondition: whether that of a joint update by a single model is measured, at the
  ///     cost of the system's eigenvalues.
  public init(
    _ selection: Selection, partition: CellPartition, stages: Int = 1, parts: Int = 1,
    schedule: SparsitySchedule = .geometric, candidates: ModelCandidates,
    improvement: Improvement = .none, measuresCondition: Bool = false
  ) {
    precondition(stages > 0 && parts > 0, "\(stages) stages of \(parts) parts")
    precondition(
      improvement == .none || selection.pattern == .unstructured,
      "\(improvement) in the pattern \(selection.pattern)")
    self.selection = selection
    self.partition = partition
    (self.stages, self.parts, self.schedule) = (stages, parts, schedule)
    (self.candidates, self.improvement) = (candidates, improvement)
    self.measuresCondition = measuresCondition
  }

  /// Bytes that a stage takes on a rank beside the rows of gradients, at most.
  ///
  /// - Parameters:
  ///   - m: the number of gradients.
  ///   - scalar: of the weights.
  public func bytes<Element: Scalar>(
    gradients m: Int, by method: PruningMethod, rank: Int, of scalar: Element.Type
  ) -> Int {
    BrainSurgeon<Element>.bytes(
      count: m, models: candidates.models.count, isBlockwise: method.isBlockwise,
      partition: partition, rank: rank)
      + improvement.bytes(
        gradients: m, count: partition.slice(of: rank).count, of: scalar)
      + BrainSurgeon<Element>.groupBytes(count: m, groups: selection.groups)
      // Weights that are judged.
      + (candidates.count > 1
        ? MemoryLayout<Element>.size * partition.cells.parameterCount : 0)
  }

  /// The sparsities of the parts of a stage.
  ///
  /// - Parameters:
  ///   - stage: from 0.
  ///   - first: of the masks that pruning begins with.
  ///   - last: reached in the last stage.
  public func sparsities(ofStage stage: Int, from first: Double, to last: Double) -> [Double] {
    (stage * parts..<(stage + 1) * parts).map {
      first < last
        ? schedule.sparsity(ofEvent: $0, of: stages * parts, from: first, to: last) : last
    }
  }

  /// - Throws: `PruningError` where the tensors cannot have the sparsities on the way to `last`.
  public func check(from first: Double, to last: Double) throws(PruningError) {
    // The last one is what was asked for: it is checked first.
    for stage in (0..<stages).reversed() {
      for sparsity in sparsities(ofStage: stage, from: first, to: last).reversed() {
        try selection.check(sparsity)
      }
    }
  }

  /// Carries out a stage: finds a mask, makes the removed weights zero, and moves those that stay
  /// to make up for them. Collective.
  ///
  /// - Parameters:
  ///   - weights: this rank's slice.
  ///   - stage, first, last: see `sparsities`.
  ///   - previous: what it has removed stays removed.
  ///   - judge: needed where there are several candidates.
  ///   - known: the saliencies by each candidate's model, where they are known; sweeps begin with
  ///     the same.
  @specialized(where Element == Float)
  @specialized(where Element == Double)
  public func prune<Element: Scalar>(
    _ weights: UnsafeMutableBufferPointer<Element>, stage: Int = 0, from first: Double,
    to last: Double, after previous: Mask, by criterion: PruningCriterion,
    judge: (any HeldOutJudge<Element>)? = nil, saliencies known: [[Double]]? = nil,
    on world: Communicator
  ) throws -> PrunedStage {
    precondition(candidates.count == 1 || judge != nil, "\(candidates.count) candidates, no judge")
    let local = UnsafeBufferPointer(weights)
    let sparsities = sparsities(ofStage: stage, from: first, to: last)
    var seconds = PrunedStage.Seconds()
    let saliencies =
      try known
      ?? seconds.time(\.selection) {
        try criterion.saliencies(of: local, under: previous, by: candidates.models, on: world)
      }
    var trials = HeldOutTrials(of: local, by: judge)
    for (model, saliencies) in zip(candidates.models, saliencies) {
      let mask = try seconds.time(\.selection) {
        try self.mask(
          sparsities, of: local, bySaliency: saliencies, criterion, model, after: previous,
          on: world)
      }
      // Where kept weights stay as they are, all updates and steps are one.
      let updating =
        criterion.updatesKept
        ? candidates : ModelCandidates(model, step: candidates.steps[0])
      let updates = try seconds.time(\.removal) {
        try criterion.updates(
          of: local, under: mask, by: updating, measuresCondition: measuresCondition, on: world)
      }
      if candidates.isSingle {
        trials.take(updates[0], under: mask)
      } else {
        try seconds.time(\.judging) {
          for (update, result) in zip(updating.models, updates) {
            try trials.add(
              result, steps: updating.steps, under: mask, by: (model, update), on: world)
          }
        }
      }
    }
    guard let best = trials.best else {
      throw PruningError(
        "no candidate leaves the network a finite held-out loss: expected larger "
          + "\(setting: "damping"), or smaller \(setting: "gradient-scale") or "
          + "\(setting: "step")")
    }
    _ = weights.update(fromContentsOf: best.weights)
    return PrunedStage(
      sparsity: sparsities.last!, mask: best.mask,
      prediction: best.update.predictions?[best.step], condition: best.update.condition,
      error: best.update.error, choice: trials.choice, seconds: seconds, saliencies: saliencies)
  }

  /// The mask of a stage by one candidate. Collective.
  private func mask<Element: Scalar>(
    _ sparsities: [Double], of weights: UnsafeBufferPointer<Element>, bySaliency first: [Double],
    _ criterion: PruningCriterion, _ model: SurgeonModel.Settings, after previous: Mask,
    on world: Communicator
  ) throws -> Mask {
    var mask = previous
    for (index, sparsity) in sparsities.enumerated() {
      let saliencies =
        index == 0
        ? first : try criterion.saliencies(of: weights, under: mask, by: [model], on: world)[0]
      mask = try selection.mask(
        removing: sparsity, bySaliency: saliencies, after: mask, partition: partition, on: world)
    }
    guard improvement != .none else { return mask }
    let search = MaskSearch(
      by: criterion.surgeon(of: weights, model), selection, sparsity: sparsities.last!,
      after: previous, on: world)
    return switch improvement {
    case .none: mask
    case .exchange: try MaskExchange(search).improved(mask)
    case .thresholding: try MaskThresholding(search).improved(mask)
    }
  }
}

/// What came of a stage of pruning.
public struct PrunedStage: Sendable {
  /// The sparsity that it was to reach.
  public let sparsity: Double
  /// What stays after the stage.
  public let mask: Mask
  /// The change of the loss that the method predicts for the removal, where it does.
  public let prediction: Double?
  /// The system that was solved: its largest eigenvalue over its least, where it was measured.
  public let condition: Double?
  /// A bound on the relative error of the update, where one was solved for.
  public let error: Double?
  /// What the candidates were judged by, where there were several.
  public let choice: HeldOutChoice?
  /// What the stage's parts have taken on this rank.
  public let seconds: Seconds
  /// The saliencies of the weights that the stage began with, by each candidate's model.
  public let saliencies: [[Double]]

  /// Seconds of the parts of a stage.
  public struct Seconds: Sendable {
    /// Seconds of the mask, of the weights, and of judging candidates.
    public var (selection, removal, judging) = (0.0, 0.0, 0.0)

    mutating func time<Value>(
      _ part: WritableKeyPath<Seconds, Double>, _ body: () throws -> Value
    ) rethrows -> Value {
      let clock = ContinuousClock()
      let start = clock.now
      defer { self[keyPath: part] += (clock.now - start) / .seconds(1) }
      return try body()
    }
  }
}
