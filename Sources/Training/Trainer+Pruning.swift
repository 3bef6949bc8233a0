import Checkpoints
import Curvature
import Formats
import LinearAlgebra
import MPI
import Optimizers
import Pruning
import RunRecords
import Sharding
import TrainedModels

extension Trainer {
  /// Removes weights before the next step, or takes others back, if an event is due. The parameters
  /// and the optimizer's state are updated with the masks. Collective.
  func pruneIfDue() throws {
    guard let pruner, let event = pruner.pruning.times.event(after: position.step) else { return }
    let start = ContinuousClock.now
    let step = position.step
    let outcome = try clock.time(.pruning) {
      world.status.step = step
      let outcome = try pruner.prune(
        event: event, step: step, parameters: state.parameters, state: state.statistics,
        masks: &state.masks!)
      groups = groups.keepingZero(state.masks!.removed)
      try state.optimizer.updateZeros(groups, partition: state.partition, on: world)
      return outcome
    }
    let (all, removed) = state.masks!.counts
    sparsity = state.masks!.sparsity
    var line = MetricsLine(step: step, epoch: step / plan.batches.batchesPerEpoch + 1)
    line.sparsity = sparsity
    (line.kept, line.removed, line.regrown) = (all - removed, outcome.removed, outcome.regrown)
    line.predictedChange = outcome.prediction
    line.pruningSeconds = (ContinuousClock.now - start) / .seconds(1)
    log(line)
    let regrown = outcome.regrown > 0 ? ", \(outcome.regrown) regrown" : ""
    progress.say(
      "after step \(step): \(outcome.removed) weights removed\(regrown), \(all - removed) of "
        + "\(all) "
        + "remain: sparsity \(formatNumber(sparsity!, digits: 4))")
  }
}

extension TrainingPlan {
  /// Path of the trained network's masks.
  var masksOfModel: String { "\(runDirectory)/\(Masks.fileName)" }

  /// Creates the pruner of the plan, and checks the plan against the masks; nil if the plan prunes
  /// nothing. Collective.
  func pruner<Element: Scalar>(
    _ masks: Masks?, _ checkpoint: Checkpoint?, on world: Communicator
  ) throws -> Pruner<Element>? {
    guard let pruning, let masks else { return nil }
    let first = checkpoint?.manifest.initialSparsity ?? masks.sparsity
    try world.agree { try check(pruning, masks, from: first) }
    return Pruner(
      self, pruning, of: masks.tensors, initialSparsity: first, on: world)
  }

  private func check(_ pruning: PruningPlan, _ masks: Masks, from first: Double) throws {
    let last = pruning.times.steps.last!
    guard last < schedule.totalSteps else {
      throw InputError(
        setting: "prune-end", "the last event comes after step \(last)",
        expected: "a step of the run before its last, \(schedule.totalSteps)", got: "\(last)")
    }
    let selection = try Selection(
      of: masks.tensors, scope: pruning.scope,
      maximumTensorSparsity: pruning.maximumTensorSparsity)
    switch pruning.kind {
    case .gradual(let schedule, let last):
      // The last event has the requested sparsity, so it is checked first.
      for event in (0..<pruning.times.count).reversed() {
        let sparsity = schedule.sparsity(
          ofEvent: event, of: pruning.times.count, from: first, to: last)
        guard sparsity >= first else {
          throw InputError(
            setting: "sparsity", "the masks that the run begins with remove more",
            expected: "at least \(first)", got: "\(sparsity)")
        }
        try selection.check(sparsity)
      }
    case .dynamic(_, let sparsity):
      if let sparsity { try selection.check(sparsity) }
      guard sparsity ?? first > 0 else {
        throw InputError(
          setting: "regrow", "the masks remove nothing that could come back",
          expected: "\(setting: "sparsity") > 0, or masks that do", got: "\(first)")
      }
    }
    if pruning.takesGradients {
      let count = dataset.training.count
      guard pruning.gradients.examplesPerRow <= count else {
        throw InputError(
          setting: "prune-gradient-batch", "a row of gradients is a mean over examples",
          expected: "1 to \(count)", got: "\(pruning.gradients.examplesPerRow)")
      }
    }
  }

  /// Returns the memory that masks, and the events that change them, take in addition to the run.
  /// The optimizer's window exists twice while it loses columns.
  func pruningMemory<Element: Scalar>(
    of scalar: Element.Type, _ groups: ParameterGroups, _ partition: CellPartition,
    on world: Communicator
  ) throws -> MemoryPlan {
    let d = network.layout.count
    // Two bytes for each parameter: whether it is kept, and whether it stays zero.
    var memory = MemoryPlan(optimizer: 0, vectors: 2 * d, activations: 0)
    guard let pruning else { return memory }
    memory += try Pruner<Element>.memory(self, pruning, on: world)
    if let windowed = optimizer.windowed {
      let context: OptimizerContext<Element> = try optimizerContext(groups, partition)
      memory += MemoryPlan(
        optimizer: try windowed.bytes(context, on: world) + windowed.bytesOfNewGram(context),
        vectors: 0, activations: 0)
    } else {
      // The list of the parameters that stay zero.
      memory += MemoryPlan(
        optimizer: 4 * partition.slice(of: world.rank).count, vectors: 0, activations: 0)
    }
    return memory
  }

  /// Returns a summary of the masks and the pruning plan; empty without masks.
  func pruningSummary(_ masks: Masks?) -> String {
    guard let masks else { return "" }
    let (all, removed) = masks.counts
    var text =
      "\nmasks      \(removed) of \(all) weights removed in "
      + "\(masks.tensors.count(where: \.isPrunable)) tensors"
    guard let pruning else { return text }
    let steps = pruning.times.steps
    let times =
      switch steps.count {
      case 1: "once, after step \(steps[0])"
      case 2, 3:
        "\(steps.count) times, after steps "
          + steps.map(String.init).joined(separator: ", ")
      default: "\(steps.count) times, after steps \(steps[0]), \(steps[1]), … \(steps.last!)"
      }
    switch pruning.kind {
    case .gradual(let schedule, let last):
      let name =
        switch schedule {
        case .cubic: "cubic"
        case .geometric: "geometric"
        case .list(let sparsities): sparsities.map { "\($0)" }.joined(separator: ", ")
        }
      text +=
        "\npruning    to a sparsity of \(last), \(name), by \(pruning.method.rawValue), \(times)"
    case .dynamic(let regrowth, _):
      text +=
        "\npruning    a share of \(regrowth.share)\(regrowth.decays ? " (falling)" : "") of the "
        + "kept weights dropped by \(pruning.method.rawValue), and as many regrown "
        + "by \(regrowth.criterion.rawValue), "
        + "\(times)"
    }
    return text
  }
}
