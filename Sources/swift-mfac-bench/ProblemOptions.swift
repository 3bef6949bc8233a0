import ArgumentParser
import Curvature
import LinearAlgebra
import MPI
import Networks
import Optimizers
import ProgramOptions
import RunRecords
import Sharding
import Training

extension Problem.Part: ExpressibleByArgument {}
extension Problem.Scaling: ExpressibleByArgument {}

/// Holds the options of the model, its batch and its optimizer.
struct StepOptions: ParsableArguments, OptimizerSelection {
  @Option(
    help: """
      Network: \(NetworkDescription.builtInNames.joined(separator: ", ")), or a model file \
      (.yaml).
      """)
  var model = "cnn"

  @Option(help: "Optimizer; its window is full.")
  var optimizer = OptimizerName(MFACConfiguration.self)

  @Option(parsing: .unconditional, help: "Examples in a batch.")
  var batchSize = 128

  @Option(
    parsing: .unconditional,
    help: "Number of equal parts of a batch; at least one for each rank.")
  var microBatches = 8

  @Option(parsing: .unconditional, help: "Steps to measure, after two warm-up steps.")
  var steps = 9

  @OptionGroup var mfac: MFACOptions
  @OptionGroup var kronecker: KroneckerOptions
  @OptionGroup var muon: MuonOptions
  @OptionGroup var bound: ChangeBoundOptions

  var optimizerName: OptimizerName { optimizer }

  func validate() throws {
    for (flag, count) in [
      ("--batch-size", batchSize), ("--micro-batches", microBatches), ("--steps", steps),
    ] {
      try require(flag, in: 1...1_000_000_000, count)
    }
    try requireUse(
      of: typedOptions(in: CommandLine.arguments),
      by: OptimizerOptionsRegistry.uses(in: StepOptions.self), in: self)
    _ = try resolved
    try require(
      batchSize % microBatches == 0, "--batch-size",
      "a multiple of --micro-batches, \(microBatches)",
      batchSize)
    _ = try network
  }

  var network: BenchmarkNetwork { get throws { try checked { try BenchmarkNetwork.named(model) } } }

  /// The options, with the defaults that depend on other options.
  private var resolved: StepOptions {
    get throws {
      var resolved = self
      try resolved.kronecker.resolve()
      try resolved.mfac.resolve(for: .float32)
      resolved.bound.resolve(standard: ownOptions.bound)
      return resolved
    }
  }

  /// The configuration that training makes from these options and the defaults of all others.
  var configuration: any OptimizerConfiguration {
    get throws {
      let resolved = try resolved
      let local = resolved.ownOptions
      return local.configuration(
        CommonOptimizerSettings(
          learningRate: local.learningRate, damping: local.damping,
          dampingRule: DampingRule(isRelative: local.dampingIsRelative),
          bound: resolved.bound.bound(steps: steps, isInNats: true)))
    }
  }

  /// Checks that random gradients can be independent: they must be fewer than the coordinates.
  func checkWindow(parameters d: Int) throws {
    guard let window = try configuration.windowed?.window else { return }
    let kept = Int(mfac.windowDensity * Double(d))
    try require(window < kept, "--window", "below the number of coordinates kept, \(kept)", window)
  }

  /// Returns the optimizer options that differ from their defaults and have no field in a problem.
  private func otherSettings() throws -> [String: String]? {
    func values(_ local: some OptimizerOptions) -> [String: String] {
      declaredOptions(in: local).reduce(into: [:]) {
        $0[$1.name] = $1.value?.joined(separator: ",")
      }
    }
    func standard<Options: OptimizerOptions>(_ local: Options) throws -> [String: String] {
      values(try Options.parse([]))
    }
    let local = ownOptions
    let standard = try standard(local)
    let named = Set(Problem.optimizerOptions)
    let other = values(local).filter { !named.contains($0.key) && standard[$0.key] != $0.value }
    return other.isEmpty ? nil : other
  }

  /// Returns the problem of optimizing `parameters` parameters.
  func problem(
    part: Problem.Part, scaling: Problem.Scaling, parameters: Int
  ) throws -> Problem {
    let mfac = try resolved.mfac
    let window = try configuration.windowed?.window
    var problem = Problem(
      part: part, scaling: scaling, parameters: parameters, optimizer: optimizer, window: window,
      windowType: window.map { _ in mfac.windowType!.rawValue },
      windowDensity: window.map { _ in mfac.windowDensity })
    problem.settings = try otherSettings()
    return problem
  }

  /// Number of steps after which the work of a step repeats.
  var period: Int { get throws { try configuration.period } }

  /// Returns the optimizer's traffic and work as a function of the number of ranks, from steps
  /// measured on one rank.
  func load(
    of problem: Problem, _ measured: StepMeasurement
  ) throws -> (_ ranks: Int) -> OptimizerLoad {
    let configuration = try configuration
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

  /// Returns the problem of a training step of the model.
  func problem(scaling: Problem.Scaling) throws -> Problem {
    var problem = try problem(
      part: .step, scaling: scaling, parameters: try network.description.layout.count)
    problem.model = model
    problem.batchSize = batchSize
    problem.microBatches = microBatches
    if try configuration.layerStatistics != nil {
      let kronecker = try resolved.kronecker
      (problem.factorEvery, problem.inverseEvery) = (kronecker.factorEvery, kronecker.inverseEvery)
      problem.workerShare = kronecker.kfacGradWorkers
      problem.solver = kronecker.solving.ofLayers.title
    }
    return problem
  }
}

/// Holds the options of a sweep over numbers of ranks.
struct SweepOptions: ParsableArguments {
  @Option(
    help: "Measure a whole training step of --model (step), or the optimizer alone on --parameters."
  )
  var part = Problem.Part.step

  @Option(
    help: """
      strong keeps the batch (or d) for any number of ranks; weak keeps it per rank: --batch-size \
      and --micro-batches (or --parameters) are those of one rank.
      """)
  var scaling = Problem.Scaling.strong

  @Option(parsing: .unconditional, help: "d: number of parameters. (--part optimizer)")
  var parameters = 1_000_000

  @OptionGroup var step: StepOptions

  func validate() throws {
    try require("--parameters", in: 1...1_000_000_000_000, parameters)
    try require(
      part == .step || !step.optimizer.configuration.needsNetwork, "--part optimizer",
      "another optimizer than \(step.optimizer.rawValue), which is made of a model's layers",
      step.optimizer.rawValue)
  }

  /// Warns about options of the other part. It does not refuse them, because scripts give the same
  /// options to both.
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
        try step.problem(part: .optimizer, scaling: scaling, parameters: parameters)
      }
    }
  }
}
