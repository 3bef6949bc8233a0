import ArgumentParser
import ProgramOptions
import Pruning
import TrainedModels
import Training

/// The options that set the masks and change them during the run.
struct PruningSettings: ParsableArguments {
  @Option(
    help: .advanced(
      """
      Keep the weights that this masks.safetensors removes at zero; with --sparsity or --regrow, \
      start from it.
      """, valueName: "file"), completion: .file())
  var masks: String?

  @Option(
    parsing: .unconditional,
    help: .init(
      """
      Fraction of the prunable weights removed by the end, in [0, 1); with --regrow, from the \
      start.
      """, valueName: "s"))
  var sparsity: Double?

  @Option(
    help: .advanced(
      """
      Sparsity schedule: cubic, geometric, or one increasing sparsity per event, such as \
      0.5,0.8,0.9. (default: cubic)
      """, valueName: "schedule"))
  var pruneSchedule: PruneSchedule?

  @Option(
    parsing: .unconditional,
    help: .advanced(
      "First pruning event: steps, or epochs as 2epochs. (default: --prune-every)",
      valueName: "when"))
  var pruneBegin: RunLength?

  @Option(
    parsing: .unconditional,
    help: .advanced(
      "No pruning event after this: steps or epochs. (default: three quarters of the run)",
      valueName: "when"))
  var pruneEnd: RunLength?

  @Option(
    parsing: .unconditional,
    help: .advanced("Prune every N steps, or epochs. (default: 100)", valueName: "n"))
  var pruneEvery: RunLength?

  @Option var pruneMethod: PruningMethod

  @OptionGroup var patterns: TensorPatterns

  @Option(
    help: .advanced(
      """
      Weights that compete for removal: all (global), or those of one tensor at the same sparsity \
      (uniform). (default: uniform with --regrow, else global)
      """))
  var scope: Selection.Scope?

  @Option var maxTensorSparsity: Double

  @Option(
    help: .advanced(
      """
      Exchange weights at a constant sparsity. Each event drops some kept weights and \
      regrows others: random, of the largest gradient, or of the largest predicted gain (marginal).
      """))
  var regrow: PruningPlan.Regrowth.Criterion?

  @Option(
    parsing: .unconditional,
    help: .advanced(
      "Fraction of the kept weights dropped by an event, in (0, 1). (--regrow; default: 0.3)",
      valueName: "fraction"))
  var regrowShare: Double?

  enum Decay: String, CaseIterable, ExpressibleByArgument { case cosine, constant }

  @Option(
    help: .advanced(
      "Schedule of that fraction: cosine falls to 0, or constant. (--regrow; default: cosine)",
      valueName: "decay"))
  var regrowDecay: Decay?

  @Flag(
    inversion: .prefixedNo,
    help: .advanced("Restart the learning-rate schedule at each pruning event."))
  var cycle = false

  @Option(
    parsing: .unconditional,
    help: .advanced(
      """
      m: number of gradients in an event's Fisher matrix. (all --prune-method but magnitude; \
      --regrow gradient, marginal)
      """, valueName: "m"))
  var pruneGradients = PruningPlan.Gradients().count

  @Option(
    parsing: .unconditional,
    help: .advanced("Average each of these gradients over this many examples.", valueName: "count"))
  var pruneGradientBatch = PruningPlan.Gradients().examplesPerRow

  @Option(
    parsing: .unconditional,
    help: .advanced("λ of an event's Fisher matrix.", valueName: "lambda"))
  var pruneDamping = PruningPlan.Gradients().damping

  @Option var pruneBlockSize: Int

  @Option var pruneUpdate: PruningUpdate

  init() {
    _pruneMethod = PruningOptions.method(of: .train)
    _maxTensorSparsity = PruningOptions.maxTensorSparsity(of: .train)
    _pruneBlockSize = PruningOptions.blockSize(of: .train)
    _pruneUpdate = PruningOptions.update(of: .train)
  }

  func validate() throws {
    try PruningOptions.check(
      sparsity: sparsity, sparsities: pruneSchedule?.list, list: "--prune-schedule")
    for (flag, length, least) in [
      ("--prune-begin", pruneBegin, 0), ("--prune-end", pruneEnd, 0),
      ("--prune-every", pruneEvery, 1),
    ] {
      if let length { try require(flag, in: least...1_000_000_000, length.count) }
    }
    try PruningOptions.check(maxTensorSparsity: maxTensorSparsity)
    if let regrowShare {
      try require(regrowShare > 0 && regrowShare < 1, "--regrow-share", "in (0, 1)", regrowShare)
    }
    try require("--prune-gradients", in: 1...1_000_000, pruneGradients)
    try require("--prune-gradient-batch", in: 1...1_000_000_000, pruneGradientBatch)
    try PruningOptions.check(blockSize: pruneBlockSize, of: .train)
    try require(
      pruneDamping > 0 && pruneDamping.isFinite, "--prune-damping", "> 0 and finite", pruneDamping)
  }
}

extension PruningSettings {
  /// Checks that the pruning settings are consistent, and fills in defaults.
  ///
  /// - Parameter sparse: true if initial zeros are masks.
  /// - Throws: `ValidationError`.
  mutating func resolve(sparse: Bool) throws {
    try require(
      masks == nil || !sparse, "--masks",
      "no --sparse (which takes its masks from the zeros of --weights)",
      masks ?? "")
    let isGrowing = regrow == nil && (sparsity != nil || pruneSchedule != nil)
    let given: [(String, String?, Bool, String)] = [
      ("--prune-schedule", pruneSchedule?.description, regrow == nil, "no --regrow with it"),
      (
        "--prune-begin", pruneBegin?.description, isGrowing || regrow != nil,
        "--sparsity or --regrow"
      ),
      ("--prune-end", pruneEnd?.description, isGrowing || regrow != nil, "--sparsity or --regrow"),
      (
        "--prune-every", pruneEvery?.description, isGrowing || regrow != nil,
        "--sparsity or --regrow"
      ),
      ("--regrow-share", regrowShare.map { "\($0)" }, regrow != nil, "--regrow"),
      ("--regrow-decay", regrowDecay?.rawValue, regrow != nil, "--regrow"),
      ("--cycle", cycle ? "it" : nil, isGrowing, "--sparsity without --regrow"),
    ]
    for (flag, value, holds, expected) in given where value != nil {
      try require(holds, flag, expected.hasPrefix("no ") ? expected : "\(expected) as well", value!)
    }
    if let regrow {
      let hasMasks = masks != nil || sparse
      try require(
        (sparsity == nil) == hasMasks, "--regrow \(regrow.rawValue)",
        "--sparsity, or masks with a sparsity", hasMasks ? "both" : "neither")
      regrowShare = regrowShare ?? 0.3
      regrowDecay = regrowDecay ?? .cosine
      scope = scope ?? .uniform
    } else if isGrowing {
      if let sparsities = pruneSchedule?.list {
        try require(
          sparsity == nil || sparsity == sparsities.last, "--sparsity",
          "the last of --prune-schedule, \(sparsities.last!)", sparsity ?? 0)
        try require(
          pruneEnd == nil, "--prune-end", "none with a list, whose last event ends pruning",
          pruneEnd?.description ?? "")
        sparsity = sparsities.last
      }
      pruneSchedule = pruneSchedule ?? PruneSchedule(.cubic)
      scope = scope ?? .global
    }
  }

  /// Returns the pruning plan of a run, or nil without `--sparsity` and `--regrow`.
  ///
  /// - Parameters:
  ///   - steps: number of steps of the run.
  ///   - stepsPerEpoch: number of batches in an epoch.
  /// - Throws: `ValidationError` if pruning would begin after its end.
  func plan(steps: Int, stepsPerEpoch: Int) throws -> PruningPlan? {
    guard regrow != nil || sparsity != nil else { return nil }
    let every = (pruneEvery ?? RunLength(count: 100)).steps(stepsPerEpoch)
    let begin = pruneBegin?.steps(stepsPerEpoch) ?? every
    let end = pruneEnd?.steps(stepsPerEpoch) ?? 3 * steps / 4
    let kind: PruningPlan.Kind
    var count = 0
    if let regrow {
      kind = .dynamic(
        PruningPlan.Regrowth(
          criterion: regrow, share: regrowShare!, decays: regrowDecay == .cosine),
        sparsity: sparsity)
    } else {
      kind = .gradual(pruneSchedule!.schedule, to: sparsity!)
      count = pruneSchedule!.list?.count ?? 0
    }
    if count == 0 {
      try require(
        begin <= end, "--prune-begin", "at most --prune-end, step \(end)", "step \(begin)")
      count = (end - begin) / every + 1
    }
    var plan = PruningPlan(
      kind, times: PruningPlan.Times(begin: begin, every: every, count: count))
    plan.method = pruneMethod
    plan.tensors = patterns.choice
    plan.scope = scope!
    plan.maximumTensorSparsity = maxTensorSparsity
    plan.gradients.count = pruneGradients
    plan.gradients.examplesPerRow = pruneGradientBatch
    plan.gradients.damping = pruneDamping
    plan.gradients.blockSize = pruneBlockSize
    plan.gradients.update = pruneUpdate
    return plan
  }
}

/// A number of steps, or of epochs: `200`, `3epochs`.
struct RunLength: ExpressibleByArgument, CustomStringConvertible {
  let count: Int
  let isEpochs: Bool

  init(count: Int) {
    self.count = count
    isEpochs = false
  }

  init?(argument: String) {
    let digits = argument.prefix { $0.isASCII && $0.isNumber }
    guard let count = Int(digits),
      ["", "epoch", "epochs"].contains(argument.dropFirst(digits.count))
    else { return nil }
    self.count = count
    isEpochs = digits.count < argument.count
  }

  var description: String { isEpochs ? "\(count)epochs" : "\(count)" }

  func steps(_ stepsPerEpoch: Int) -> Int { isEpochs ? count * stepsPerEpoch : count }
}

struct PruneSchedule: ExpressibleByArgument, CustomStringConvertible {
  let schedule: SparsitySchedule

  init(_ schedule: SparsitySchedule) { self.schedule = schedule }

  init?(argument: String) {
    switch argument {
    case "cubic": schedule = .cubic
    case "geometric": schedule = .geometric
    default:
      guard let list = NumberList(argument: argument), !list.values.isEmpty else { return nil }
      schedule = .list(list.values)
    }
  }

  /// The sparsities of a list; nil for another schedule.
  var list: [Double]? {
    if case .list(let sparsities) = schedule { sparsities } else { nil }
  }

  var description: String {
    switch schedule {
    case .cubic: "cubic"
    case .geometric: "geometric"
    case .list(let sparsities): NumberList(sparsities).description
    }
  }
}

extension PruningPlan.Regrowth.Criterion: ExpressibleByArgument {}
