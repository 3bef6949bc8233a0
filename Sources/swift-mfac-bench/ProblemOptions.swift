import ArgumentParser
import Curvature
import Launching
import LinearAlgebra
import MPI
import Networks
import Optimizers
import Results
import Training

extension OptimizerName: ExpressibleByArgument {}
extension Problem.Part: ExpressibleByArgument {}
extension Problem.Scaling: ExpressibleByArgument {}

/// The model, its batch and its optimizer.
struct StepOptions: ParsableArguments {
  @Option(
    help: "\(NetworkDescription.builtInNames.joined(separator: ", ")), or a model file (.yaml).")
  var model = "cnn"

  @Option(help: "Optimizer.")
  var optimizer = OptimizerName.mfac

  @Option(parsing: .unconditional, help: "m, gradients in the window (mfac); it is full.")
  var window = 256

  @Option(help: "Of the window's numbers: float32 or bfloat16.")
  var windowType = RowType.float32

  @Option(help: "The share of the coordinates that the window keeps, in (0, 1].")
  var windowDensity = 1.0

  @OptionGroup var solving: LayerSolverSettings

  @Option(
    parsing: .unconditional,
    help: """
      Steps between batches whose factors are taken (kfac). (default: 10; 1 with --solver cg)
      """)
  var factorEvery: Int?

  @Option(parsing: .unconditional, help: "Steps between inversions (kfac).")
  var inverseEvery = 10

  @Option(parsing: .unconditional, help: "Share of the ranks that precondition a layer (kfac).")
  var kfacGradWorkers = 1.0

  @Option(parsing: .unconditional, help: "Examples in a batch.")
  var batchSize = 128

  @Option(
    parsing: .unconditional,
    help: "Equal parts of a batch, computed apart; one for each rank or more.")
  var microBatches = 8

  @Option(parsing: .unconditional, help: "Steps to measure, after two that are not.")
  var steps = 9

  func validate() throws {
    try require("--window", in: 1...100_000, window)
    try require(
      windowDensity > 0 && windowDensity <= 1, "--window-density", "in (0, 1]", windowDensity)
    for (flag, count) in [
      ("--batch-size", batchSize), ("--micro-batches", microBatches), ("--steps", steps),
    ] {
      try require(flag, in: 1...1_000_000_000, count)
    }
    for (flag, every) in [("--factor-every", factorEvery ?? 1), ("--inverse-every", inverseEvery)] {
      try require(flag, in: 1...1000, every)
    }
    try require(
      kfacGradWorkers > 0 && kfacGradWorkers <= 1, "--kfac-grad-workers", "in (0, 1]",
      kfacGradWorkers)
    try solving.check(factorEvery: kfac.factorEvery, workerShare: kfacGradWorkers)
    try requireUse(of: typedOptions(in: CommandLine.arguments), by: Self.uses, in: self)
    try require(
      batchSize % microBatches == 0, "--batch-size",
      "a multiple of --micro-batches, \(microBatches)",
      batchSize)
    _ = try network
  }

  /// What each option is for, where it is not for all optimizers.
  private static var uses: [OptionUse<StepOptions>] {
    [
      ofOptimizer(["window", "window-type", "window-density"], .mfac),
      ofOptimizer(["solver", "factor-every", "inverse-every", "kfac-grad-workers"], .kfac),
      OptionUse<StepOptions>(
        ["cg-operator", "cg-tolerance", "cg-iterations", "cg-warm-start"],
        beside: "--solver cg of --optimizer kfac",
        got: {
          $0.optimizer == .kfac
            ? "--solver \($0.solving.solver.rawValue)" : "--optimizer \($0.optimizer.rawValue)"
        }, where: { $0.optimizer == .kfac && $0.solving.solver == .cg }),
    ]
  }

  private static func ofOptimizer(
    _ options: [String], _ kind: OptimizerName
  ) -> OptionUse<StepOptions> {
    OptionUse(
      options, beside: "--optimizer \(kind.rawValue)",
      got: { "--optimizer \($0.optimizer.rawValue)" }, where: { $0.optimizer == kind })
  }

  var network: BenchmarkNetwork { get throws { try checked { try BenchmarkNetwork.named(model) } } }

  var choice: OptimizerChoice {
    switch optimizer {
    case .mfac:
      .mfac(
        ShardedMFAC.Configuration(
          window: window, windowForm: WindowForm(type: windowType, density: windowDensity)))
    case .kfac: .kfac(kfac, Self.kroneckerSettings)
    case .sgd: .sgd(momentum: 0.9, weightDecay: .coupled(0))
    case .adamw: .adamw(weightDecay: .decoupled(0))
    }
  }

  private static let kroneckerSettings = KroneckerSettings(fisher: .monteCarlo(samples: 1))

  var kfac: KFAC.Configuration {
    var kfac = KFAC.Configuration()
    kfac.solver = solving.ofLayers
    (kfac.factorEvery, kfac.inverseEvery) = (
      factorEvery ?? solving.factorEvery, inverseEvery
    )
    kfac.workerShare = kfacGradWorkers
    return kfac
  }

  private var kfacLayers: [KFAC.Layer] {
    get throws {
      try Self.kroneckerSettings.layers(of: network.description).map {
        KFAC.Layer($0, scales: (1, 1))
      }
    }
  }

  /// Random gradients are independent only where there are fewer of them than coordinates.
  func checkWindow(parameters d: Int) throws {
    guard optimizer == .mfac else { return }
    let kept = Int(windowDensity * Double(d))
    try require(window < kept, "--window", "below the number of coordinates kept, \(kept)", window)
  }

  /// What the optimizer does with `parameters` of them.
  func problem(part: Problem.Part, scaling: Problem.Scaling, parameters: Int) -> Problem {
    let isMFAC = optimizer == .mfac
    return Problem(
      part: part, scaling: scaling, parameters: parameters, optimizer: optimizer,
      window: isMFAC ? window : nil, windowType: isMFAC ? windowType.rawValue : nil,
      windowDensity: isMFAC ? windowDensity : nil)
  }

  /// Steps after which they do the same again.
  var period: Int { optimizer == .kfac ? kfac.period : 1 }

  /// K-FAC's steps, of which these were measured.
  func kroneckerSteps(_ measured: StepMeasurement) throws -> KroneckerSteps? {
    guard optimizer == .kfac else { return nil }
    return KroneckerSteps(
      configuration: kfac, layers: try kfacLayers, measured: measured.steps,
      products: measured.products)
  }

  /// A step of the model.
  func problem(scaling: Problem.Scaling) throws -> Problem {
    var problem = problem(
      part: .step, scaling: scaling, parameters: try network.description.layout.count)
    problem.model = model
    problem.batchSize = batchSize
    problem.microBatches = microBatches
    if optimizer == .kfac {
      let kfac = kfac
      (problem.factorEvery, problem.inverseEvery) = (kfac.factorEvery, kfac.inverseEvery)
      problem.workerShare = kfac.workerShare
      problem.solver = kfac.solver.title
    }
    return problem
  }
}

/// What a sweep over numbers of ranks measures or predicts.
struct SweepOptions: ParsableArguments {
  @Option(
    help: "step: a whole training step of --model; optimizer: its part alone, on --parameters.")
  var part = Problem.Part.step

  @Option(
    help: """
      strong: the same batch, or d, whatever the number of ranks; weak: the same on each rank, so that \
      --batch-size and --micro-batches, or --parameters, are those of one.
      """)
  var scaling = Problem.Scaling.strong

  @Option(parsing: .unconditional, help: "d, with --part optimizer.")
  var parameters = 1_000_000

  @OptionGroup var step: StepOptions

  func validate() throws {
    try require("--parameters", in: 1...1_000_000_000_000, parameters)
    try require(
      part == .step || step.optimizer != .kfac, "--part optimizer",
      "another optimizer than kfac, which is made of a model's layers", "kfac")
  }

  /// Of the other part's options: scripts give the same to both.
  func warnOfIdle() {
    guard Communicator.isFirst else { return }
    let other =
      part == .step ? ["parameters"] : ["model", "batch-size", "micro-batches"]
    for option in other where typedOptions(in: CommandLine.arguments).contains(option) {
      complain("--\(option) has no effect with --part \(part.rawValue)", as: "warning")
    }
  }

  var problem: Problem {
    get throws {
      switch part {
      case .step: try step.problem(scaling: scaling)
      case .optimizer:
        step.problem(part: .optimizer, scaling: scaling, parameters: parameters)
      }
    }
  }
}
