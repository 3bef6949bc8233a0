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

/// The journey of a pruned network: its weights, what each is worth, the mask, the weights that are
/// left, how good they are, and the files.
struct PruningRun<Element: Scalar> {
  private let settings: PruneSettings
  private let world: Communicator
  private let model: any TrainedModel<Element>
  /// The weights as read, under the mask, [d].
  private var weights: Buffer<Element> { model.weights }
  private let plan: SelectionPlan
  private var partition: CellPartition { plan.partition }
  /// The slices of all ranks.
  private let slices: [Range<Int>]
  /// The weights that were removed before.
  private let mask: Mask
  /// The sparsity of the masks that the first stage begins with.
  private let initialSparsity: Double
  /// Nil if the method needs none.
  private let gradients: (any GradientSource<Element>)?
  /// Chooses among candidates; nil if there is only one.
  private let judge: (any HeldOutJudge<Element>)?
  /// The stages that are done; nil if they are not kept.
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
          // Those of the first stage stay for the next sparsity, any other's until the next are
          // there.
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

  /// The directories of each sparsity's files.
  private static func directories(of settings: PruneSettings) -> [String] {
    settings.selection.sparsities.map {
      settings.selection.sweep == nil
        ? settings.output.output : "\(settings.output.output)/sparsity-\($0)"
    }
  }

  /// Prunes to each sparsity, and says how good the networks are. Collective.
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
      let place = settings.fisher.pageDirectory.map { ", in pages in \($0)" } ?? ""
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
      say("Its curve: swift-mfac-report plot \(files.report) --output \(files.curve)")
    }
  }

  /// - Parameters:
  ///   - criterion: That of the first stage that is not done; nil if all are.
  ///   - saliencies: Those of the weights as they were; nil before the first sparsity.
  /// - Returns: Nil if the next stage needs gradients of the one that has been saved.
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
          + "in \(stages.newestPath)")
      guard stages.done == plan.stages || !settings.waitsForGradients else {
        say("Now give gradients of \(stages.weights!), in a call that is else the same.")
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
      // Half a result is none.
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

  /// Makes the criterion of a stage from gradients at `weights`, if it needs some, and times these.
  /// A network takes new examples for each stage as long as there are some. Collective.
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

  /// Evaluates a network; nil if this package cannot compute it. Collective.
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
