import Curvature
import Foundation
import LinearAlgebra
import MPI
import Sharding

/// Defines the sparsity after each of n events (or stages), from s₀ before the first to s_n at the
/// last.
public enum SparsitySchedule: Sendable, Equatable {
  /// s_k = s_n − (s_n − s₀)(1 − k/n)³; Zhu and Gupta, 2017.
  case cubic
  /// 1 − s_k = (1 − s₀)·((1 − s_n)/(1 − s₀))^(k/n): densities decrease by equal factors.
  case geometric
  /// The given sparsities.
  case list([Double])

  /// Returns s_k.
  ///
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

/// Plans a pruning in stages. Each stage selects weights to remove, in one or several parts and for
/// each candidate, and updates the kept ones.
public struct SelectionPlan: Sendable {
  public let selection: Selection
  public let partition: CellPartition
  public let stages: Int
  /// Consecutive parts of a stage; each computes saliencies after the removals of the previous
  /// ones.
  public let parts: Int
  /// The sparsity of each part.
  public let schedule: SparsitySchedule
  /// The λ, η and τ of which each stage chooses those with the least held-out loss. Each λ and η
  /// gives a mask, and all λ, η and τ give updates for each mask.
  public let candidates: ModelCandidates
  /// The improvement of the mask after a stage's last part.
  public let improvement: Improvement
  private let measuresCondition: Bool

  /// Selects how to improve the mask after a stage's last part, for methods with a model of the
  /// whole loss.
  public enum Improvement: Sendable {
    case none
    /// Exchanges removed weights for kept ones while the model's minimum decreases.
    case exchange
    /// Iterative hard thresholding.
    case thresholding

    /// Returns the additional bytes per rank, for m gradients and a slice of `count` weights. They
    /// hold two masks with all coordinates at their minima, or with weights and slopes.
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

  /// Creates a plan.
  ///
  /// - Parameters:
  ///   - measuresCondition: measures the condition number of a single model's joint update, at the
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

  /// Returns an upper bound on a stage's bytes per rank, without the rows of gradients.
  ///
  /// - Parameters:
  ///   - m: number of gradients.
  ///   - scalar: type of the weights.
  public func bytes<Element: Scalar>(
    gradients m: Int, by method: PruningMethod, rank: Int, of scalar: Element.Type
  ) -> Int {
    BrainSurgeon<Element>.bytes(
      count: m, models: candidates.models.count, isBlockwise: method.isBlockwise,
      partition: partition, rank: rank)
      + improvement.bytes(
        gradients: m, count: partition.slice(of: rank).count, of: scalar)
      + BrainSurgeon<Element>.groupBytes(count: m, groups: selection.groups)
      // The weights that the judge scores.
      + (candidates.count > 1
        ? MemoryLayout<Element>.size * partition.cells.parameterCount : 0)
  }

  /// Returns the sparsities of the parts of a stage.
  ///
  /// - Parameters:
  ///   - stage: from 0.
  ///   - first: sparsity of the initial mask.
  ///   - last: sparsity after the last stage.
  public func sparsities(ofStage stage: Int, from first: Double, to last: Double) -> [Double] {
    (stage * parts..<(stage + 1) * parts).map {
      first < last
        ? schedule.sparsity(ofEvent: $0, of: stages * parts, from: first, to: last) : last
    }
  }

  /// Checks all sparsities on the way to `last`.
  ///
  /// - Throws: `PruningError` if the tensors cannot have one of them.
  public func check(from first: Double, to last: Double) throws(PruningError) {
    // The last sparsity is the requested one, so it is checked first.
    for stage in (0..<stages).reversed() {
      for sparsity in sparsities(ofStage: stage, from: first, to: last).reversed() {
        try selection.check(sparsity)
      }
    }
  }

  /// Runs a stage: finds a mask, sets the removed weights to zero, and updates the kept ones to
  /// compensate. Collective.
  ///
  /// - Parameters:
  ///   - weights: this rank's slice.
  ///   - stage, first, last: see `sparsities`.
  ///   - previous: its removed weights stay removed.
  ///   - judge: required for several candidates.
  ///   - known: each candidate's saliencies, if already known; a sweep reuses them.
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
      // If kept weights stay unchanged, all updates and steps are the same.
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

  /// Returns the mask of a stage for one candidate. Collective.
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

/// Holds the result of a stage of pruning.
public struct PrunedStage: Sendable {
  /// The requested sparsity.
  public let sparsity: Double
  /// The mask after the stage.
  public let mask: Mask
  /// The change of the loss that the method predicts, if it predicts one.
  public let prediction: Double?
  /// The condition number of the linear system (largest eigenvalue over smallest), if measured.
  public let condition: Double?
  /// A bound on the relative error of a joint update.
  public let error: Double?
  /// The held-out losses of the candidates, if there were several.
  public let choice: HeldOutChoice?
  /// The time of the stage's parts on this rank.
  public let seconds: Seconds
  /// The saliencies at the start of the stage, for each candidate's model.
  public let saliencies: [[Double]]

  /// Measures the wall-clock time of a stage's parts in seconds.
  public struct Seconds: Sendable {
    /// Seconds for the mask, for the weights, and for scoring candidates.
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
