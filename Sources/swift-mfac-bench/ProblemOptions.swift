import ArgumentParser
import Curvature
import LinearAlgebra
import MPI
import Networks
import Optimizers
import ProgramOptions
import Results
import Sharding
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
  var optimizer = OptimizerName(MFACConfiguration.self)

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
    try solving.check(
      factorEvery: factorEvery ?? solving.factorEvery, workerShare: kfacGradWorkers)
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
      ofOptimizer(["window", "window-type", "window-density"], MFACConfiguration.self),
      ofOptimizer(
        ["solver", "factor-every", "inverse-every", "kfac-grad-workers"], KFACConfiguration.self),
      OptionUse<StepOptions>(
        ["cg-operator", "cg-tolerance", "cg-iterations", "cg-warm-start"],
        beside: "--solver cg of --optimizer kfac",
        got: {
          $0.kfac != nil
            ? "--solver \($0.solving.solver.rawValue)" : "--optimizer \($0.optimizer.rawValue)"
        }, where: { $0.kfac != nil && $0.solving.solver == .cg }),
    ]
  }

  private static func ofOptimizer(
    _ options: [String], _ kind: any OptimizerConfiguration.Type
  ) -> OptionUse<StepOptions> {
    OptionUse(
      options, beside: "--optimizer \(kind.name)",
      got: { "--optimizer \($0.optimizer.rawValue)" },
      where: { $0.optimizer.rawValue == kind.name })
  }

  var network: BenchmarkNetwork { get throws { try checked { try BenchmarkNetwork.named(model) } } }

  /// The program's defaults, but for the options above.
  var configuration: any OptimizerConfiguration {
    var configuration = optimizer.configuration.init()
    if var mfac = configuration as? MFACConfiguration {
      mfac.window = window
      mfac.windowForm = WindowForm(type: windowType, density: windowDensity)
      configuration = mfac
    } else if var kfac = configuration as? KFACConfiguration {
      kfac.solver = solving.ofLayers
      (kfac.factorEvery, kfac.inverseEvery) = (factorEvery ?? solving.factorEvery, inverseEvery)
      kfac.workerShare = kfacGradWorkers
      configuration = kfac
    }
    return configuration
  }

  private var kfac: KFACConfiguration? { configuration as? KFACConfiguration }

  /// Random gradients are independent only where there are fewer of them than coordinates.
  func checkWindow(parameters d: Int) throws {
    guard configuration.windowed != nil else { return }
    let kept = Int(windowDensity * Double(d))
    try require(window < kept, "--window", "below the number of coordinates kept, \(kept)", window)
  }

  /// What the optimizer does with `parameters` of them.
  func problem(part: Problem.Part, scaling: Problem.Scaling, parameters: Int) -> Problem {
    let hasWindow = configuration.windowed != nil
    return Problem(
      part: part, scaling: scaling, parameters: parameters, optimizer: optimizer,
      window: hasWindow ? window : nil, windowType: hasWindow ? windowType.rawValue : nil,
      windowDensity: hasWindow ? windowDensity : nil)
  }

  /// Steps after which they do the same again.
  var period: Int { configuration.period }

  /// What the optimizer sends and does with a number of ranks, by steps that were measured on one.
  func load(
    of problem: Problem, _ measured: StepMeasurement
  ) throws -> (_ ranks: Int) -> OptimizerLoad {
    let configuration = configuration
    let isStep = problem.part == .step
    let description = try network.description
    let tensors = isStep ? description.parameterTensors : []
    let layers = (isStep ? configuration.layerStatistics?.statistics : nil).map {
      $0.layers(of: description)
    }
    let steps = MeasuredSteps(count: measured.steps, products: measured.products)
    return { ranks in
      configuration.load(
        OptimizerContext<Float>(
          partition: problem.partition(ranks: ranks), tensors: tensors, layers: layers ?? [],
          microBatches: problem.shares(ranks: ranks) ?? Partition(of: ranks, over: ranks)),
        measured: steps)
    }
  }

  /// A step of the model.
  func problem(scaling: Problem.Scaling) throws -> Problem {
    var problem = problem(
      part: .step, scaling: scaling, parameters: try network.description.layout.count)
    problem.model = model
    problem.batchSize = batchSize
    problem.microBatches = microBatches
    if let kfac {
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
      strong: the same batch, or d, whatever the number of ranks; weak: the same on each rank, so \
      that --batch-size and --micro-batches, or --parameters, are those of one.
      """)
  var scaling = Problem.Scaling.strong

  @Option(parsing: .unconditional, help: "d, with --part optimizer.")
  var parameters = 1_000_000

  @OptionGroup var step: StepOptions

  func validate() throws {
    try require("--parameters", in: 1...1_000_000_000_000, parameters)
    try require(
      part == .step || !step.optimizer.configuration.needsNetwork, "--part optimizer",
      "another optimizer than \(step.optimizer.rawValue), which is made of a model's layers",
      step.optimizer.rawValue)
  }

  /// Of the other part's options: scripts give the same to both.
  func warnOfIdle() {
    guard Communicator.isFirst else { return }
    let other =
      part == .step ? ["parameters"] : ["model", "batch-size", "micro-batches"]
    for option in other where typedOptions(in: CommandLine.arguments).contains(option) {
      reportError("--\(option) has no effect with --part \(part.rawValue)", as: "warning")
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
