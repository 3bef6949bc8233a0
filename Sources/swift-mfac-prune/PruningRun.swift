import Curvature
import Datasets
import Foundation
import LinearAlgebra
import MPI
import Networks
import Pruning
import Sharding
import Training

/// The journey of a pruned network: its weights, what each is worth, the mask, the weights that are
/// left, how good they are, and the files.
struct PruningRun {
  private let settings: PruneSettings
  private let world: Communicator
  private let dataset: Dataset
  private let description: NetworkDescription
  private let loss: Loss
  private let network: Network<Float>
  /// [d], as read, and [s].
  private let weights: Buffer<Float>
  private let state: Buffer<Float>
  private let partition: CellPartition
  /// Every rank's.
  private let slices: [Range<Int>]
  private let selection: Selection
  /// What was removed before.
  private let mask: Mask
  /// Of gradients, where the method needs them.
  private let collection: GradientCollection?
  /// Says which candidate is the best, where there are several.
  private let judge: HeldOutExamples?
  private let clock = ContinuousClock()

  /// Reads and checks all that is needed. Collective.
  init(_ settings: PruneSettings, on world: Communicator) throws {
    self.settings = settings
    self.world = world
    try world.requireSameArithmetic()
    try world.requireSame(
      "the command line", CommandLine.arguments.dropFirst().joined(separator: " "))
    var model = settings.model
    (dataset, description) = try world.agree {
      let dataset = try settings.data.source.load(
        try settings.data.options(seed: settings.weights.seed))
      try model.resolve(for: dataset.targets)
      let network = try model.network(
        input: dataset.inputShape, outputs: dataset.targets.outputs)
      try network.check(against: dataset, loss: model.resolvedLoss)
      return (dataset, network)
    }
    loss = model.resolvedLoss
    _ = try dataset.requireSame(on: world)
    let (dataset, description, loss) = (dataset, description, loss)

    let weights = Buffer<Float>(count: description.layout.count)
    let state = Buffer<Float>(count: description.stateLayout.count)
    let partition = CellPartition(settings.cells(of: weights.count), over: world.size)
    let slice = partition.slice(of: world.rank)
    (selection, mask) = try world.agree {
      try description.readWeights(
        from: settings.weights.weights, into: weights.all, state: state.all)
      let tensors = try settings.weights.tensors(of: description.layout)
      let selection = try settings.selection.selection(of: tensors)
      try settings.selection.sparsities.forEach(selection.check)
      let mask = try settings.weights.masks.map {
        try Mask(reading: $0, of: tensors, slice: slice)
      }
      return (selection, mask ?? Mask(slice: slice))
    }
    try world.requireSame(parameters: weights.all, state: state.all)
    (self.weights, self.state, self.partition) = (weights, state, partition)
    // The chunks of an evaluation: fixed, so that its sums are.
    network = try Network<Float>(description, maximumBatch: min(64, dataset.test.count))
    let directories = Self.directories(of: settings)
    try world.agree {
      if world.rank == 0 {
        try OutputFiles.checkAreFree(in: [settings.output.output] + directories)
      }
    }
    let slices = (0..<world.size).map(partition.slice(of:))
    self.slices = slices
    let (heldOut, training) = try world.agree {
      ExampleSubset.split(
        dataset.training,
        holdingOut: try settings.fisher.heldOutCount(of: dataset.training.count),
        seed: settings.weights.seed)
    }
    judge =
      heldOut.count == 0
      ? nil
      : HeldOutExamples(
        heldOut, network: network, loss: loss, state: state, parameterCount: weights.count,
        slices: slices)
    collection = try Self.collection(
      settings, of: description, loss, training, partition, slices, on: world)
    mask.apply(to: weights[slice])
    try world.allGather(weights.all, slices: slices)
  }

  /// Tells whether there is the memory for the gradients, and what comes of them, before it is taken.
  private static func collection(
    _ settings: PruneSettings, of network: NetworkDescription, _ loss: Loss,
    _ examples: any Examples, _ partition: CellPartition, _ slices: [Range<Int>],
    on world: Communicator
  ) throws -> GradientCollection? {
    guard settings.selection.method != .magnitude else { return nil }
    let fisher = settings.fisher
    try GradientCollection.memory(
      of: network, on: examples, examplesPerRow: fisher.gradientBatch, slices: slices,
      rank: world.rank,
      // Those of the first stage stay for the next sparsity, any other's until the next are there.
      kept: GradientRows.bytes(
        count: fisher.gradients, blocks: partition.cellsInSlice(of: world.rank))
        * min(settings.selection.stages, 3)
        + BrainSurgeon.bytes(
          count: fisher.gradients, models: fisher.candidates.models.count, partition: partition,
          rank: world.rank)
        // Those that are judged.
        + (fisher.candidates.count > 1 ? 4 * network.layout.count : 0)
    ).check(on: world)
    return try world.agree {
      try GradientCollection(
        of: network, loss: loss, on: examples, examplesPerRow: fisher.gradientBatch,
        seed: settings.weights.seed, slices: slices, over: world)
    }
  }

  /// Of each sparsity's files.
  private static func directories(of settings: PruneSettings) -> [String] {
    settings.selection.sparsities.map {
      settings.selection.sweep == nil
        ? settings.output.output : "\(settings.output.output)/sparsity-\($0)"
    }
  }

  /// Prunes to each sparsity, and says how good the networks are. Collective.
  func run() throws {
    let (method, gradientSeconds) = try makeMethod(for: weights, stage: 0)
    var report = Report(
      settings, dataset: dataset, selection: selection, dense: try quality(of: weights))
    say(report.heading(ranks: world.size))
    if let gradientSeconds {
      say(
        "\(settings.fisher.gradients) gradients in \(formatNumber(gradientSeconds, digits: 2)) s\n")
    }
    say(report.tableHead)
    for (sparsity, directory) in zip(
      settings.selection.sparsities, Self.directories(of: settings))
    {
      let result = try prune(to: sparsity, by: method, into: directory)
      report.results.append(result)
      say(report.line(of: result))
    }
    say(report.tensorTable)
    try world.agree { [report] in
      if world.rank == 0 {
        try OutputFiles(settings.output.output).write(report)
      }
    }
    say("The report is in \(OutputFiles(settings.output.output).report).")
  }

  private func prune(
    to sparsity: Double, by method: any PruningMethod, into directory: String
  ) throws -> Report.Result {
    let slice = mask.slice
    let pruned = Buffer<Float>(count: weights.count)
    _ = pruned.all.update(fromContentsOf: weights.all)
    var seconds = Report.Seconds()
    var (method, selected) = (method, mask)
    var stages: [Report.Stage] = []
    for stage in 0..<settings.selection.stages {
      if stage > 0 {
        let (next, gradientSeconds) = try makeMethod(for: pruned, stage: stage)
        method = next
        seconds.gradients += gradientSeconds ?? 0
      }
      let path = MaskPath(
        selection, partition: partition,
        sparsities: settings.selection.sparsities(ofStage: stage, to: sparsity),
        improvement: settings.selection.improvement)
      let before = Array(pruned[slice])
      let outcome = try method.prune(pruned[slice], after: selected, by: path, on: world)
      try world.allGather(pruned.all, slices: slices)
      selected = outcome.mask
      seconds.add(outcome.seconds)
      stages.append(
        Report.Stage(
          outcome, sparsity: path.sparsities.last!,
          change: try selected.relativeChange(
            from: before, to: UnsafeBufferPointer(pruned[slice]), partition: partition, on: world)))
    }
    let kept = try selected.keptCounts(of: selection.tensors, on: world)
    let after = try time(&seconds.evaluation) { try quality(of: pruned) }
    let files = OutputFiles(directory)
    try world.agree {
      guard world.rank == 0 else { return }
      try files.makeDirectory()
      try description.writeWeights(pruned.all, state: state.all, to: files.model)
    }
    try selected.write(of: selection.tensors, slices: slices, to: files.masks, on: world)
    return Report.Result(
      requested: sparsity, tensors: selection.tensors, kept: kept, stages: stages, quality: after,
      seconds: seconds, files: files)
  }

  /// The method that is asked for, with the gradients that it needs of some weights, and the seconds that
  /// these took; of each stage's other examples, while there are such. Collective.
  private func makeMethod(
    for weights: Buffer<Float>, stage: Int
  ) throws -> (any PruningMethod, gradientSeconds: Double?) {
    let (name, fisher) = (settings.selection.method, settings.fisher)
    guard let collection else { return (MagnitudePruning(), nil) }
    var seconds = 0.0
    let rows = try time(&seconds) {
      let rows = GradientRows(
        count: fisher.gradients, blocks: partition.cellsInSlice(of: world.rank))
      _ = try collection.collect(
        rows: stage * fisher.gradients..<(stage + 1) * fisher.gradients,
        parameters: UnsafeBufferPointer(weights.all),
        state: UnsafeBufferPointer(state.all), over: world
      ) { row, slice in rows.store(slice, row: row - stage * fisher.gradients) }
      return rows
    }
    if name == .diagonal {
      return (DiagonalPruning(rows: rows, damping: fisher.damping.values[0]), seconds)
    }
    return (
      FisherPruning(
        rows: rows, partition: partition, candidates: fisher.candidates, judge: judge,
        isBlockwise: name == .woodfisher, answer: fisher.update, rank: world.rank), seconds
    )
  }

  private func quality(of parameters: Buffer<Float>) throws -> Report.Quality {
    let evaluation = try Evaluation(
      of: network, parameters: parameters, state: state, on: dataset.test, loss: loss, over: world)
    return Report.Quality(loss: JSONNumber(evaluation.loss), accuracy: evaluation.accuracy)
  }

  private func time<Value>(_ seconds: inout Double, _ body: () throws -> Value) throws -> Value {
    let start = clock.now
    defer { seconds += (clock.now - start) / .seconds(1) }
    return try body()
  }

  private func say(_ text: String) {
    guard world.rank == 0 else { return }
    print(text)
    fflush(nil)
  }
}
