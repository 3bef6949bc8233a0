import Curvature
import LinearAlgebra
import MPI
import Networks
import Pruning
import RandomNumbers
import Sharding
import TrainedModels

/// Carries out a run's pruning plan between its steps.
final class Pruner<Element: Scalar> {
  /// Reports the outcome of a pruning event.
  struct Outcome {
    /// Weights that were removed; `regrown` counts those that came back.
    let removed: Int
    let regrown: Int
    /// Change of the loss that the method predicts for the removal; nil if it predicts none.
    let prediction: Double?
  }

  let pruning: PruningPlan
  private let plan: TrainingPlan
  private let tensors: [WeightTensor]
  private let world: Communicator
  /// Cells of the events: the blocks of the Fisher matrix if it is taken block by block.
  private let partition: CellPartition
  private let slices: [Range<Int>]
  /// s₀, the sparsity of the masks before the first event.
  private let initialSparsity: Double
  private var collection: GradientCollection<Element>?

  /// Creates a pruner for the rest of a run.
  ///
  /// - Parameter initialSparsity: the sparsity of the masks with which the run began, before any
  ///   resume.
  init(
    _ plan: TrainingPlan, _ pruning: PruningPlan, of tensors: [WeightTensor],
    initialSparsity: Double, on world: Communicator
  ) {
    self.plan = plan
    self.pruning = pruning
    self.tensors = tensors
    self.initialSparsity = initialSparsity
    self.world = world
    partition = Self.partition(plan, pruning, ranks: world.size)
    slices = partition.slices
  }

  private static func partition(
    _ plan: TrainingPlan, _ pruning: PruningPlan, ranks: Int
  ) -> CellPartition {
    let layout = plan.network.layout
    return CellPartition(
      pruning.method.cells(
        of: layout.count, blockSize: pruning.gradients.blockSize,
        tensors: layout.tensors.map(\.range.lowerBound)), over: ranks)
  }

  /// Returns the memory that an event takes on a rank in addition to the run: scores and masks,
  /// gradients, and what is computed from them.
  static func memory(
    _ plan: TrainingPlan, _ pruning: PruningPlan, on world: Communicator
  ) throws -> MemoryPlan {
    let partition = partition(plan, pruning, ranks: world.size)
    let slices = partition.slices
    let scores = 48 * slices[world.rank].count + 2 * plan.network.layout.count
    guard pruning.takesGradients else {
      return MemoryPlan(gradients: scores, vectors: 0, activations: 0)
    }
    let m = pruning.gradients.count
    let kept =
      scores
      + GradientRows.bytes(
        count: m, blocks: partition.cellsInSlice(of: world.rank), of: Element.self)
      + BrainSurgeon<Element>.bytes(
        count: m, isBlockwise: pruning.method.isBlockwise, partition: partition, rank: world.rank)
    let count = try MemoryCount.of { try collection(plan, pruning, slices: slices, on: world) }
    return MemoryPlan(gradients: kept, collection: count)
  }

  /// Draws the weights that are removed before the first step, if the plan begins with a sparsity.
  /// Collective.
  func drawMask(_ masks: inout Masks) throws {
    guard case .dynamic(_, let sparsity?) = pruning.kind else { return }
    let random = random(step: 0)
    let scores = slice.map { random.uniform(at: UInt64($0)) }
    masks.mask = try whole(
      try mask(
        by: scores, sparsity,
        try selection(pruning.scope, upTo: pruning.maximumTensorSparsity)))
  }

  /// Removes weights, and takes others back if the plan says so. Collective.
  ///
  /// - Parameters:
  ///   - event: the event's number, from 0.
  ///   - step: steps taken so far.
  ///   - parameters: [d]; the removed ones become zero, and the others may be updated.
  func prune(
    event: Int, step: Int, parameters: Buffer<Element>, state: Buffer<Element>, masks: inout Masks
  ) throws -> Outcome {
    let before = Mask(slice: slice, isKept: Array(masks.mask.isKept[slice]))
    let removedBefore = masks.counts.removed
    let rows = try collect(event: event, parameters: parameters, state: state)
    let criterion = PruningCriterion(
      pruning.method, by: rows, partition: partition, update: pruning.gradients.update,
      rank: world.rank)
    let candidates = ModelCandidates(dampings: [pruning.gradients.damping])
    let weights = parameters[slice]

    let stage: PrunedStage
    let after: Mask
    switch pruning.kind {
    case .gradual(let schedule, let last):
      let selection = try selection(pruning.scope, upTo: pruning.maximumTensorSparsity)
      stage = try SelectionPlan(
        selection, partition: partition, stages: pruning.times.count, schedule: schedule,
        candidates: candidates
      ).prune(
        weights, stage: event, from: initialSparsity, to: last, after: before, by: criterion,
        on: world)
      after = stage.mask
    case .dynamic(let regrowth, _):
      let share = regrowth.share(ofEvent: event, of: pruning.times.count)
      let start = Array(weights)
      let (sparsity, selection) = try target(masks, dropping: share)
      stage = try SelectionPlan(selection, partition: partition, candidates: candidates).prune(
        weights, from: sparsity, to: sparsity, after: before, by: criterion, on: world)
      let dropped = stage.mask
      var scores = try start.withUnsafeBufferPointer {
        try self.scores(
          for: regrowth.criterion, step: step, weights: $0, dropped, rows)
      }
      for i in scores.indices {
        // Weights that this event has dropped come back only if no others are left.
        if dropped.isKept[i] {
          scores[i] = .greatestFiniteMagnitude
        } else if before.isKept[i] {
          scores[i] = -1
        }
      }
      let (final, finalSelection) = try target(masks, dropping: 0)
      after = try mask(by: scores, final, finalSelection)
    }
    try world.allGather(parameters.all, slices: slices)
    let old = masks.mask
    masks.mask = try whole(after)
    let regrown = zip(old.isKept, masks.mask.isKept).count { !$0 && $1 }
    return Outcome(
      removed: masks.counts.removed - removedBefore + regrown, regrown: regrown,
      prediction: stage.prediction)
  }

  private var slice: Range<Int> { slices[world.rank] }

  /// Returns the random numbers of an event. Training draws its other random numbers from streams
  /// up to 3·2³².
  private func random(step: Int) -> CounterRandom {
    CounterRandom(seed: plan.seed, stream: 4 << 32 | UInt64(step))
  }

  /// Returns the sparsity, exact to one weight, after a share of the kept weights is dropped, and
  /// the selection for it. Unless the scope is global, each tensor drops this share of its own kept
  /// weights. Collective.
  private func target(
    _ masks: Masks, dropping share: Double
  ) throws -> (sparsity: Double, Selection) {
    var (all, removed) = (0, 0)
    var ofTensor: [String: Double] = [:]
    for tensor in tensors where tensor.isPrunable {
      let kept = tensor.range.count { masks.mask.isKept[$0] }
      let count = tensor.range.count - kept + Int((share * Double(kept)).rounded())
      ofTensor[tensor.name] = Double(count) / Double(tensor.range.count)
      all += tensor.range.count
      removed += count
    }
    guard pruning.scope == .global else {
      return (Double(removed) / Double(all), try selection(.uniform, ofTensor))
    }
    let counts = masks.counts
    let dropped = Int((share * Double(counts.all - counts.removed)).rounded())
    return (Double(counts.removed + dropped) / Double(counts.all), try selection(.global))
  }

  /// Creates a selection on all ranks together. Collective.
  private func selection(
    _ scope: Selection.Scope, _ tensorSparsities: [String: Double] = [:], upTo largest: Double = 1
  ) throws -> Selection {
    try world.agree {
      try Selection(
        of: tensors, scope: scope, tensorSparsities: tensorSparsities,
        maximumTensorSparsity: largest)
    }
  }

  /// Returns a mask that removes the weights with the smallest scores on all ranks. Collective.
  private func mask(
    by scores: [Double], _ sparsity: Double, _ selection: Selection
  ) throws -> Mask {
    try selection.mask(
      removing: sparsity, bySaliency: scores, after: Mask(slice: slice), partition: partition,
      on: world)
  }

  /// Gathers the masks of all slices. Collective.
  private func whole(_ mask: Mask) throws -> Mask {
    let all = try world.allGather(
      mask.isKept.map { $0 ? 1 : 0 as UInt8 }, counts: slices.map(\.count))
    return Mask(slice: 0..<all.count, isKept: all.map { $0 == 1 })
  }

  /// Collects the event's gradients, from other examples than those of the last event; nil if the
  /// plan needs none. Collective.
  private func collect(
    event: Int, parameters: Buffer<Element>, state: Buffer<Element>
  ) throws -> GradientRows? {
    guard pruning.takesGradients else { return nil }
    let m = pruning.gradients.count
    let collection =
      try collection
      ?? world.agree { try Self.collection(plan, pruning, slices: slices, on: world) }
    self.collection = collection
    let rows = GradientRows(
      count: m, blocks: partition.cellsInSlice(of: world.rank), of: Element.self)
    _ = try collection.collect(
      rows: event * m..<(event + 1) * m, parameters: UnsafeBufferPointer(parameters.all),
      state: UnsafeBufferPointer(state.all), over: world
    ) { row, slice in rows.store(slice, row: row - event * m) }
    return rows
  }

  private static func collection(
    _ plan: TrainingPlan, _ pruning: PruningPlan, slices: [Range<Int>], on world: Communicator
  ) throws -> GradientCollection<Element> {
    try GradientCollection(
      of: plan.network, loss: plan.loss, on: plan.dataset.training,
      examplesPerRow: pruning.gradients.examplesPerRow, seed: plan.seed, slices: slices,
      over: world)
  }

  /// Returns a score for the regrowth of each weight of this rank's slice once `dropped` is
  /// removed; not negative. Collective.
  private func scores(
    for criterion: PruningPlan.Regrowth.Criterion, step: Int, weights: UnsafeBufferPointer<Element>,
    _ dropped: Mask, _ rows: GradientRows?
  ) throws -> [Double] {
    switch criterion {
    case .random:
      let random = random(step: step)
      return slice.map { random.uniform(at: UInt64($0)) }
    case .gradient:
      let rows = rows!
      let sums = Buffer<Double>(count: slice.count)
      let mean = [Double](repeating: 1 / Double(rows.count), count: rows.count)
      for (block, range) in rows.blocks.enumerated() {
        rows.combine(mean, block: block, into: sums[range])
      }
      return sums.all.map(abs)
    case .marginal:
      return try BrainSurgeon(
        rows: rows!, partition: partition, weights: weights,
        damping: pruning.gradients.damping,
        gradientScale: 1, isBlockwise: pruning.method.isBlockwise, rank: world.rank
      ).coordinates(removing: dropped.isKept.map { !$0 }, on: world).map(\.gain)
    }
  }
}
