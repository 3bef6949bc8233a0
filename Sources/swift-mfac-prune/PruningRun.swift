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
  private let model: any TrainedModel
  /// [d], as read, under the mask.
  private var weights: Buffer<Float> { model.weights }
  private let partition: CellPartition
  /// Every rank's.
  private let slices: [Range<Int>]
  private let selection: Selection
  /// What was removed before.
  private let mask: Mask
  /// The share that --masks had removed before the first stage.
  private let start: Double
  /// Where the method needs them.
  private let gradients: (any GradientSource)?
  /// Says which candidate is the best, where there are several.
  private let judge: (any HeldOutJudge)?
  /// The stages that are done, where they are kept.
  private let stages: StageDirectory?
  private let clock = ContinuousClock()

  /// Reads and checks all that is needed. Collective.
  init(_ settings: PruneSettings, on world: Communicator) throws {
    self.settings = settings
    self.world = world
    try world.requireSameArithmetic()
    try world.requireSame(
      "the command line", CommandLine.arguments.dropFirst().joined(separator: " "))
    let stages = try settings.output.state.map { try StageDirectory($0, settings, on: world) }
    self.stages = stages
    let tensors = settings.tensors.choice
    model = try settings.source.load(
      weights: stages?.weights, isRequired: { tensors.isPrunable($0.name, shape: $0.shape) },
      on: world)
    let model = model
    let cells = settings.cells(of: model.count, tensors: model.tensors.map(\.range.lowerBound))
    let partition = CellPartition(cells, over: world.size)
    let slice = partition.slice(of: world.rank)
    let masks: (first: Mask, newest: Mask)
    (selection, masks) = try world.agree {
      let tensors = try settings.tensors.tensors(of: model)
      let selection = try settings.selection.selection(of: tensors)
      try settings.selection.sparsities.forEach(selection.check)
      if settings.output.sparseOutput {
        try Mask.checkSparseNames(of: tensors, others: model.others.map(\.name))
      }
      func mask(_ path: String?) throws -> Mask {
        try path.map { try Mask(reading: $0, of: tensors, slice: slice) } ?? Mask(slice: slice)
      }
      let first = try mask(settings.tensors.masks)
      return (selection, (first, try stages.map { try mask($0.masksToBeginWith) } ?? first))
    }
    mask = masks.newest
    start = try selection.sparsity(of: masks.first, on: world)
    self.partition = partition
    let directories = Self.directories(of: settings)
    try world.agree {
      if world.rank == 0 {
        try OutputFiles.checkAreFree(in: [settings.output.output] + directories) {
          try stages?.hasBegun($0) ?? false
        }
      }
    }
    let slices = (0..<world.size).map(partition.slice(of:))
    self.slices = slices
    let groups = selection.groups
    let isNeeded =
      settings.selection.method != .magnitude && stages?.done != settings.selection.stages
    let collected =
      try isNeeded
      ? model.gradients(
        of: partition, holdingOut: settings.fisher.heldOutCount,
        kept: { count in
          // Those of the first stage stay for the next sparsity, any other's until the next are there.
          GradientRows.bytes(
            count: count, blocks: partition.cellsInSlice(of: world.rank),
            isPaged: settings.fisher.pageDirectory != nil)
            * (settings.waitsForGradients ? 1 : min(settings.selection.stages, 3))
            + BrainSurgeon.bytes(
              count: count, models: settings.fisher.candidates.models.count, partition: partition,
              rank: world.rank)
            + BrainSurgeon.groupBytes(count: count, groups: groups)
            // Those that are judged.
            + (settings.fisher.candidates.count > 1 ? 4 * model.count : 0)
        }, on: world)
      : nil
    (gradients, judge) = (collected?.source, collected?.judge)
    mask.apply(to: model.weights[slice])
    try world.allGather(model.weights.all, slices: slices)
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
    let done = stages?.done ?? 0
    let (method, gradientSeconds) =
      done < settings.selection.stages
      ? try makeMethod(for: weights, stage: done) : (MagnitudePruning(), nil)
    var report = Report(
      settings, model: model, selection: selection,
      dense: try done == 0 ? quality(of: weights) : stages!.state.dense)
    say(report.heading(ranks: world.size))
    report.gradientSeconds = gradientSeconds
    if let gradients, let gradientSeconds {
      let place = settings.fisher.pageDirectory.map { ", in pages in \($0)" } ?? ""
      say(
        "\(gradients.rowCount) gradients in \(formatNumber(gradientSeconds, digits: 2)) s"
          + place + "\n")
    }
    say(report.tableHead)
    for (sparsity, directory) in zip(
      settings.selection.sparsities, Self.directories(of: settings))
    {
      guard
        let result = try prune(to: sparsity, by: method, dense: report.dense, into: directory)
      else { return }
      report.results.append(result)
      say(report.line(of: result))
    }
    say(report.tables)
    try world.agree { [report] in
      if world.rank == 0 {
        let files = OutputFiles(settings.output.output)
        try files.write(report)
        if settings.selection.sweep != nil {
          try Curves(ofReports: [files.report]).write(to: files.curve)
        }
      }
    }
    say("The report is in \(OutputFiles(settings.output.output).report).")
  }

  /// - Returns: nil where the stage to come wants gradients of the one that has been saved.
  private func prune(
    to sparsity: Double, by method: any PruningMethod, dense: Report.Quality?,
    into directory: String
  ) throws -> Report.Result? {
    let slice = mask.slice
    let pruned = Buffer<Float>(count: weights.count)
    _ = pruned.all.update(fromContentsOf: weights.all)
    var seconds = stages?.state.seconds ?? Report.Seconds()
    var (method, selected) = (method, mask)
    var results = stages?.state.stages ?? []
    let count = settings.selection.stages
    let first = stages?.done ?? 0
    for stage in first..<count {
      if stage > first {
        let (next, gradientSeconds) = try makeMethod(for: pruned, stage: stage)
        method = next
        seconds.gradients += gradientSeconds ?? 0
      }
      let path = MaskPath(
        selection, partition: partition,
        sparsities: settings.selection.sparsities(ofStage: stage, from: start, to: sparsity),
        improvement: settings.selection.improvement)
      let before = Array(pruned[slice])
      let outcome = try method.prune(pruned[slice], after: selected, by: path, on: world)
      try world.allGather(pruned.all, slices: slices)
      selected = outcome.mask
      seconds.add(outcome.seconds)
      results.append(
        Report.Stage(
          outcome, sparsity: path.sparsities.last!,
          change: try selected.relativeChange(
            from: before, to: UnsafeBufferPointer(pruned[slice]), partition: partition, on: world)))
      guard let stages else { continue }
      try stages.save(
        pruned, of: model, selected, of: selection.tensors, slices: slices, dense: dense,
        stages: results, seconds: seconds, on: world)
      say(
        "stage \(stages.done) of \(count) is done: sparsity "
          + "\(formatNumber(path.sparsities.last!, digits: 4)), "
          + "in \(stages.path)/stage-\(stages.done)")
      guard stages.done == count || !settings.waitsForGradients else {
        say("Now give gradients of \(stages.weights!), in a call that is else the same.")
        return nil
      }
    }
    let kept = try selected.keptCounts(of: selection.tensors, on: world)
    let after = try time(&seconds.evaluation) { try quality(of: pruned) }
    let files = OutputFiles(directory)
    try world.agree {
      guard world.rank == 0 else { return }
      try files.makeDirectory()
      try model.write(pruned, to: files.model)
    }
    try selected.write(of: selection.tensors, slices: slices, to: files.masks, on: world)
    if settings.output.sparseOutput {
      try selected.writeSparse(
        of: selection.tensors, weights: UnsafeBufferPointer(pruned.all),
        others: model.others, slices: slices, to: files.sparse, on: world)
    }
    return Report.Result(
      requested: sparsity, tensors: selection.tensors, kept: kept, stages: results,
      hasNetwork: model.multiplyAddsPerWeight != nil, quality: after, seconds: seconds, files: files
    )
  }

  /// The method that is asked for, with the gradients that it needs of some weights, and the seconds that
  /// these took; a network's are of other examples in each stage, while there are such. Collective.
  private func makeMethod(
    for weights: Buffer<Float>, stage: Int
  ) throws -> (any PruningMethod, gradientSeconds: Double?) {
    let (name, fisher) = (settings.selection.method, settings.fisher)
    guard let gradients else { return (MagnitudePruning(), nil) }
    var seconds = 0.0
    let rows = try time(&seconds) {
      let count = gradients.rowCount
      let first = settings.waitsForGradients ? 0 : stage * count
      let rows = try world.agree {
        try GradientRows(
          count: count, blocks: partition.cellsInSlice(of: world.rank),
          pagedIn: fisher.pageDirectory)
      }
      try gradients.collect(rows: first..<first + count, at: weights, over: world) {
        rows.store($1, row: $0 - first)
      }
      return rows
    }
    if name == .diagonal {
      return (DiagonalPruning(rows: rows, damping: fisher.damping.values[0]), seconds)
    }
    return (
      FisherPruning(
        rows: rows, partition: partition, candidates: fisher.candidates, judge: judge,
        isBlockwise: name == .woodfisher, answer: fisher.update, groups: selection.groups,
        rank: world.rank), seconds
    )
  }

  /// None of a model that this package cannot compute.
  private func quality(of parameters: Buffer<Float>) throws -> Report.Quality? {
    try model.evaluation(of: parameters, on: world).map {
      Report.Quality(loss: JSONNumber($0.loss), accuracy: $0.accuracy)
    }
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
