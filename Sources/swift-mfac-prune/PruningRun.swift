import Curvature
import Formats
import Foundation
import LinearAlgebra
import MPI
import Networks
import Pruning
import RunRecords
import Sharding
import TrainedModels

/// Prunes a trained model: reads the weights, computes saliencies, selects a mask, updates the kept
/// weights, evaluates the network and writes the files.
struct PruningRun<Element: Scalar> {
  private let settings: PruneSettings
  private let world: Communicator
  private let model: any TrainedModel<Element>
  /// The weights as read, with the mask applied, [d].
  private var weights: Buffer<Element> { model.weights }
  private let plan: SelectionPlan
  private var partition: CellPartition { plan.partition }
  /// The slice of each rank, as coordinates in [0, d).
  private let slices: [Range<Int>]
  /// The mask of the weights removed so far, by `--masks` or by earlier stages.
  private let mask: Mask
  /// The sparsity before the first stage.
  private let initialSparsity: Double
  /// The source of gradients; nil if the method needs none.
  private let gradients: (any GradientSource<Element>)?
  /// Compares candidates on held-out data; nil if there is only one candidate.
  private let judge: (any HeldOutJudge<Element>)?
  /// The finished stages; nil without `--state`.
  private let stages: StageDirectory?
  private let clock = ContinuousClock()

  /// Reads the model, the masks and the finished stages, and checks the settings against them.
  /// Collective.
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
      as: Element.self, on: world)
    let model = model
    let cells = settings.selection.method.cells(
      of: model.count, blockSize: settings.fisher.blockSize,
      tensors: settings.fisher.blockScope == .all ? [0] : model.tensors.map(\.range.lowerBound))
    let partition = CellPartition(cells, over: world.size)
    let slice = partition.slice(of: world.rank)
    let (plan, first, mask) = try world.agree {
      let tensors = try settings.tensors.choice.tensors(of: model)
      let plan = try settings.selection.plan(
        for: tensors, settings.fisher.candidates, partition: partition)
      if settings.output.sparseOutput {
        try Mask.checkSparseNames(of: tensors, others: model.others.map(\.name))
      }
      func mask(_ path: String?) throws -> Mask {
        try path.map { try Mask(reading: $0, of: tensors, slice: slice) } ?? Mask(slice: slice)
      }
      return (plan, try mask(settings.tensors.masks), try stages?.masks.map(mask))
    }
    self.plan = plan
    self.mask = mask ?? first
    let initialSparsity = try plan.selection.sparsity(of: first, on: world)
    self.initialSparsity = initialSparsity
    try world.agree {
      for sparsity in settings.selection.sparsities {
        try plan.check(from: initialSparsity, to: sparsity)
      }
    }
    let directories = Self.directories(of: settings)
    try world.agree {
      if world.rank == 0 {
        try OutputFiles.checkAreFree(in: [settings.output.output] + directories) {
          try stages?.hasBegun($0) ?? false
        }
      }
    }
    let slices = partition.slices
    self.slices = slices
    let method = settings.selection.method
    let isNeeded = method.takesGradients && stages?.done != plan.stages
    let collected =
      try isNeeded
      ? model.gradients(
        of: partition, holdingOut: settings.fisher.heldOutCount,
        pagedIn: settings.fisher.pageDirectory,
        kept: { count in
          // Up to three stages' rows are in memory: the first stage's, kept for the next sparsity;
          // the previous stage's; and the new ones, while they are collected.
          GradientRows.bytes(
            count: count, blocks: partition.cellsInSlice(of: world.rank), of: Element.self,
            isPaged: settings.fisher.pageDirectory != nil)
            * (settings.waitsForGradients ? 1 : min(plan.stages, 3))
            + plan.bytes(gradients: count, by: method, rank: world.rank, of: Element.self)
        }, on: world)
      : nil
    (gradients, judge) = (collected?.source, collected?.judge)
    self.mask.apply(to: model.weights[slice])
    try world.allGather(model.weights.all, slices: slices)
  }

  /// Returns the output directory of each sparsity.
  private static func directories(of settings: PruneSettings) -> [String] {
    settings.selection.sparsities.map {
      settings.selection.sweep == nil
        ? settings.output.output : "\(settings.output.output)/sparsity-\($0)"
    }
  }

  /// Prunes to each sparsity, evaluates the networks, and prints and writes the report. Collective.
  func run() throws {
    let done = stages?.done ?? 0
    let (criterion, gradientSeconds) =
      done < plan.stages ? try makeCriterion(for: weights, stage: done) : (nil, nil)
    var report = PruningReport(
      settings, model: model, selection: plan.selection,
      dense: try done == 0 ? quality(of: weights) : stages!.state.dense)
    say(report.heading(ranks: world.size))
    report.gradientSeconds = gradientSeconds
    if let gradients, let gradientSeconds {
      let place = settings.fisher.pageDirectory.map { ", paged in \($0)" } ?? ""
      say(
        "\(gradients.rowCount) gradients in \(formatNumber(gradientSeconds, digits: 2)) s"
          + place + "\n")
    }
    say(report.tableHead)
    var saliencies: [[Double]]?
    for (sparsity, directory) in zip(
      settings.selection.sparsities, Self.directories(of: settings))
    {
      guard
        let result = try prune(
          to: sparsity, by: criterion, &saliencies, dense: report.dense, into: directory)
      else { return }
      report.results.append(result)
      say(report.line(of: result))
    }
    say(report.tables)
    if let error = report.largestError {
      say("relative error of the updates: at most \(String(format: "%.0e", error))")
    }
    let files = OutputFiles(settings.output.output)
    try world.agree { [report] in
      if world.rank == 0 { try files.write(report) }
    }
    say("The report is in \(files.report).")
    if settings.selection.sweep != nil, report.hasCurve {
      say("To plot its curve: swift-mfac-report plot \(files.report) --output \(files.curve)")
    }
  }

  /// Prunes to one sparsity, in stages, and writes the files. Collective.
  ///
  /// - Parameters:
  ///   - criterion: criterion of the first unfinished stage; nil if all stages are finished.
  ///   - saliencies: saliencies at the initial weights; nil before the first sparsity, which sets
  ///     them.
  ///   - dense: quality before pruning; nil if this package cannot compute it.
  ///   - directory: directory of the output files.
  /// - Returns: the result; nil if the next stage needs gradients at the weights just saved.
  private func prune(
    to sparsity: Double, by criterion: PruningCriterion?, _ saliencies: inout [[Double]]?,
    dense: PruningReport.Quality?, into directory: String
  ) throws -> PruningReport.Result? {
    let slice = mask.slice
    let pruned = Buffer<Element>(count: weights.count)
    _ = pruned.all.update(fromContentsOf: weights.all)
    var seconds = stages?.state.seconds ?? PruningReport.Seconds()
    var (criterion, selected) = (criterion, mask)
    var results = stages?.state.stages ?? []
    let tensors = plan.selection.tensors
    let first = stages?.done ?? 0
    for stage in first..<plan.stages {
      if stage > first {
        let (next, gradientSeconds) = try makeCriterion(for: pruned, stage: stage)
        criterion = next
        seconds.gradients += gradientSeconds ?? 0
      }
      let before = Array(pruned[slice])
      let outcome = try plan.prune(
        pruned[slice], stage: stage, from: initialSparsity, to: sparsity, after: selected,
        by: criterion!, judge: judge, saliencies: stage == first ? saliencies : nil, on: world)
      try world.allGather(pruned.all, slices: slices)
      selected = outcome.mask
      if stage == first { saliencies = outcome.saliencies }
      seconds.add(outcome.seconds)
      results.append(
        PruningReport.Stage(
          outcome,
          change: try selected.relativeChange(
            from: before, to: UnsafeBufferPointer(pruned[slice]), partition: partition, on: world)))
      guard let stages else { continue }
      try stages.save(
        pruned, of: model, selected, of: tensors, slices: slices, dense: dense,
        stages: results, seconds: seconds, on: world)
      say(
        "stage \(stages.done) of \(plan.stages) is done: sparsity "
          + "\(formatNumber(outcome.sparsity, digits: 4)), "
          + "saved in \(stages.newestPath)")
      guard stages.done == plan.stages || !settings.waitsForGradients else {
        say("Compute the gradients of \(stages.weights!), then repeat the command with them.")
        return nil
      }
    }
    let kept = try selected.keptCounts(of: tensors, on: world)
    let after = try time(&seconds.evaluation) { try quality(of: pruned) }
    let files = OutputFiles(directory)
    do {
      try world.agree {
        guard world.rank == 0 else { return }
        try files.makeDirectory()
        try model.write(pruned, to: files.model)
      }
      try selected.write(of: tensors, slices: slices, to: files.masks, on: world)
      if settings.output.sparseOutput {
        try selected.writeSparse(
          of: tensors, weights: UnsafeBufferPointer(pruned.all),
          others: model.others, slices: slices, to: files.sparse, on: world)
      }
    } catch {
      // Do not leave an incomplete result.
      if world.rank == 0 { for file in [files.model, files.masks, files.sparse] { unlink(file) } }
      throw error
    }
    let empty = model.others.filter { $0.type.isFloatingPoint && $0.shape.contains(0) }
    return PruningReport.Result(
      requestedSparsity: sparsity,
      tensors: zip(tensors, kept).map { PruningReport.Tensor($0, kept: $1) }
        + empty.map(PruningReport.Tensor.init(empty:)),
      stages: results, hasNetwork: model.multiplyAddsPerWeight != nil, quality: after,
      seconds: seconds, model: files.model, masks: files.masks, sparse: files.sparse,
      bytes: files.bytes())
  }

  /// Returns the criterion of a stage, and the seconds that its gradients took, if it needs any. A
  /// network's gradients come from new examples in each stage while there are any. Collective.
  ///
  /// - Parameters:
  ///   - weights: the weights [d] at which to compute the gradients.
  ///   - stage: number of the stage, from 0.
  private func makeCriterion(
    for weights: Buffer<Element>, stage: Int
  ) throws -> (PruningCriterion, gradientSeconds: Double?) {
    func criterion(by rows: GradientRows?) -> PruningCriterion {
      PruningCriterion(
        settings.selection.method, by: rows, partition: partition, update: settings.fisher.update,
        groups: plan.selection.groups, rank: world.rank)
    }
    guard let gradients else { return (criterion(by: nil), nil) }
    var seconds = 0.0
    let rows = try time(&seconds) {
      let count = gradients.rowCount
      let first = settings.waitsForGradients ? 0 : stage * count
      let rows = try world.agree {
        try GradientRows(
          count: count, blocks: partition.cellsInSlice(of: world.rank), of: Element.self,
          pagedIn: settings.fisher.pageDirectory)
      }
      try gradients.collect(rows: first..<first + count, at: weights, over: world) {
        rows.store($1, row: $0 - first)
      }
      return rows
    }
    return (criterion(by: rows), seconds)
  }

  /// Returns the loss and accuracy at these weights; nil if this package cannot compute the
  /// network. Collective.
  private func quality(of parameters: Buffer<Element>) throws -> PruningReport.Quality? {
    try model.evaluation(of: parameters, on: world).map {
      PruningReport.Quality(loss: $0.loss, accuracy: $0.accuracy)
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
