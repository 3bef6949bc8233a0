import Curvature
import LinearAlgebra
import MPI
import Networks
import Optimizers
import Sharding

extension TrainingPlan {
  /// What the run will hold on this rank.
  ///
  /// - Parameters:
  ///   - layers: those with Kronecker factors.
  ///   - hasMasks: whether weights are removed.
  func memory(
    layers: [KFAC.Layer], groups: ParameterGroups, hasMasks: Bool, partition: CellPartition,
    on world: Communicator
  ) throws -> MemoryPlan {
    let microBatches = Partition(of: self.microBatches, over: world.size)
    let examples = batches.batchSize / self.microBatches
    let d = network.layout.count
    var memory = MemoryPlan(
      optimizer: optimizer.bytes(
        layers: layers, microBatches: microBatches, groups: groups,
        measuresDirection: measuresDirection, partition: partition, rank: world.rank)
        + spectrumBytes,
      vectors: 4 * d
        + ReduceScatter.bytes(of: microBatches, to: partition.slices, rank: world.rank)
        + RunningStatistics.bytes(
          count: network.stateLayout.count, microBatches: microBatches, on: world)
        // One for training, and one for evaluation.
        + 2 * ExampleBuffer.bytes(dataset.training, capacity: examples),
      activations: try Network<Float>.bytes(for: network, maximumBatch: examples))
    if let more = try kfacMemory() { memory += more }
    memory += try FactorGathering.memory(
      self, examples: examples, microBatches: microBatches.range(of: world.rank).count)
    if hasMasks { memory += try pruningMemory(groups, partition, on: world) }
    return memory
  }

  /// What to type for a run that does not fit in memory, worked out from what it would take then; nil
  /// where nothing helps but more memory.
  ///
  /// - Parameter fits: whether a plan does.
  func memoryRemedy(fits: (TrainingPlan) throws -> Bool) throws -> String? {
    if case .mfac(let mfac) = optimizer {
      func with(_ window: Int, _ form: WindowForm) -> TrainingPlan {
        var (plan, smaller) = (self, mfac)
        (smaller.window, smaller.windowForm) = (window, form)
        plan.optimizer = .mfac(smaller)
        return plan
      }
      /// The largest window of a form; 0 where there is none.
      func largest(_ form: WindowForm) throws -> Int {
        var (fitting, window) = (0, mfac.window + 1)
        while fitting + 1 < window {
          let middle = (fitting + window) / 2
          if try fits(with(middle, form)) { fitting = middle } else { window = middle }
        }
        return fitting
      }
      let own = mfac.windowForm
      let forms: [(WindowForm, String)] = [
        (WindowForm(type: .bfloat16, density: own.density), "--window-type bfloat16"),
        (
          WindowForm(type: .bfloat16, density: min(own.density, 0.1)),
          "--window-type bfloat16 --window-density 0.1"
        ),
      ].filter { $0.0 != own }
      let window = try largest(own)
      if let (_, flags) = try forms.first(where: { try fits(with(mfac.window, $0.0)) }) {
        return "with \(flags) it fits"
          + (window > 0 ? "; as it is, --window \(window) is the largest that does" : "")
      }
      if window > 0 {
        let others = try forms.map { (try largest($0.0), $0.1) }.filter { $0.0 > window }
        return "--window \(window) is the largest that fits"
          + (others.last.map { ", or --window \($0.0) \($0.1)" } ?? "")
      }
    }
    var plan = self
    if case .kfac(var kfac, let settings) = optimizer, !kfac.usesSamples {
      (kfac.keepsAllFactors, kfac.workerShare) = (false, 1e-9)
      plan.optimizer = .kfac(kfac, settings)
      if try fits(plan) { return "with --kfac-factors owners --kfac-grad-workers 1e-9 it fits" }
      plan = self
    }
    while plan.batches.batchSize % (2 * plan.microBatches) == 0 {
      plan.microBatches *= 2
      guard try !fits(plan) else { return "with --micro-batches \(plan.microBatches) it fits" }
    }
    return nil
  }
}
