import ArgumentParser
import Datasets
import Glibc
import LinearAlgebra
import MPI
import Networks
import Optimizers
import ProgramOptions
import Training

@main
struct Train: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "swift-mfac-train",
    abstract: "Trains a network with M-FAC, K-FAC, SGD, AdamW or Muon on any number of MPI ranks.",
    discussion: """
      'mpirun -n 8 swift-mfac-train …' trains on 8 ranks; without mpirun it trains on one, and \
      writes the same bytes. Every option but --config, --dry-run and --overwrite is also a key of \
      the YAML file that --config names. --help shows the common options, \
      --help-hidden all.
      """,
    version: packageVersion, subcommands: [Inspect.self])

  @Option(
    help: .init(
      """
      YAML file of settings, and of 'groups:' of parameters with their own rates; flags override \
      it.
      """, valueName: "file"), completion: .file())
  var config: String?

  @Flag(
    help: """
      Print the run's summary, memory, messages and time (from a few measured steps) and write \
      nothing.
      """)
  var dryRun = false

  // Not a setting: a run repeated from its config.yaml must not overwrite again.
  @Flag(help: "Replace the run in --run-directory, including its checkpoints.")
  var overwrite = false

  @OptionGroup var settings: Settings

  static func main() {
    let arguments = Launcher.arguments(of: configuration.commandName!)
    // `inspect` runs without MPI.
    do {
      if arguments.first == Inspect._commandName {
        var inspect = try parseAsRoot(arguments)
        return try inspect.run()
      }
      let (command, warnings) = try parsed(arguments)
      try Launcher.prepareProducts()
      // prepareProducts() may restart the program, so the warnings follow it.
      if Communicator.isFirst { for warning in warnings { reportError(warning, as: "warning") } }
      Requests.listen()
      Launcher.run(
        watchdogSeconds: command.settings.reliability.watchdogSeconds,
        checksCollectives: command.settings.reliability.checkCollectives
      ) { world in try command.train(on: world) }
    } catch {
      Launcher.exitBeforeStart(Self.self, error)
    }
  }

  /// Returns the settings of the configuration file, overridden by the command line's, and
  /// warnings.
  ///
  /// - Throws: an error of the command line or the file.
  private static func parsed(
    _ arguments: [String]
  ) throws -> (command: Train, warnings: [String]) {
    var command = try parse(arguments)
    var warnings: [String] = []
    if let file = command.config {
      let configuration = try Configuration(of: file)
      var fromFile = configuration.arguments
      let ofFile: Settings
      do {
        ofFile = try Settings.parse(fromFile.map(\.argument))
      } catch {
        throw ValidationError("\(file): \(Settings.message(for: error))")
      }
      // A flag also replaces keys of another name. --steps and --epochs set the same length, others
      // the same bound; --augment changes the defaults of crops and flips. Patterns replace the
      // file's list.
      let typed = typedOptions(in: arguments)
      for (flags, keys) in [
        (["steps", "epochs"], ["steps", "epochs"]), (["augment"], ["crop-padding", "flip"]),
        (["include"], ["include"]), (["exclude"], ["exclude"]),
        (ChangeBoundOptions.keys, ChangeBoundOptions.keys),
      ] where !typed.isDisjoint(with: flags) {
        fromFile.removeAll { keys.contains($0.key) }
      }
      // A flag --solver or --preset also replaces the file's defaults that depend on it.
      for (flag, keys) in [
        ("solver", KroneckerOptions.keysOfSolver), ("preset", MFACOptions.keysOfPreset),
      ] where typed.contains(flag) {
        let derived = keys.filter(configuration.isStandard)
        fromFile.removeAll { derived.contains($0.key) }
      }
      command = try parse(fromFile.map(\.argument) + arguments)
      command.settings.rules = configuration.rules
      var compared = ofFile
      compared.rules = configuration.rules
      warnings = try configuration.requireUse(
        of: file, compared, in: command.settings, typed: typed)
    }
    try requireUse(of: typedOptions(in: arguments), by: command.settings.uses, in: command.settings)
    try command.settings.checkTogether()
    if command.overwrite {
      try require(
        command.settings.output.runDirectory != nil, "--overwrite", "--run-directory as well",
        "none")
      try require(
        command.settings.reliability.resume != "auto", "--overwrite",
        "--resume never, because auto keeps the run", "auto")
    }
    return (command, warnings)
  }

  private func train(on world: Communicator) throws {
    var settings = settings
    if settings.output.runDirectory == nil {
      settings.output.runDirectory = try world.allGather(settings.newRunDirectory)[0]
    }
    var plan = try world.agree { try settings.plan() }
    plan.overwrites = overwrite
    try run(plan, in: settings.start.precision.scalar, on: world)
  }

  private func run<Element: Scalar>(
    _ plan: TrainingPlan, in scalar: Element.Type, on world: Communicator
  ) throws {
    let trainer: Trainer<Element>
    do {
      trainer = try Trainer(plan, isDryRun: dryRun, on: world)
    } catch let finished as FinishedRun {
      if world.rank == 0 { print("resume     \(finished)") }
      return
    }
    if dryRun { return try trainer.forecast() }
    if case .stopped(_, let status) = try trainer.run() { throw ExitCode(status) }
  }
}

extension Settings {
  /// Reads the data and the model, fills in defaults that depend on them, and returns the plan.
  ///
  /// - Throws: an error naming the setting or the file.
  mutating func plan() throws -> TrainingPlan {
    let dataset = try data.source.load(
      try data.options(seed: length.seed, precision: start.precision))
    try model.resolve(for: dataset.targets)
    let network = try model.network(for: dataset)
    let batches = try BatchOrder(
      exampleCount: dataset.training.count, batchSize: length.batchSize, order: length.order,
      seed: length.seed)
    let steps = length.steps ?? length.epochs! * batches.batchesPerEpoch

    var plan = TrainingPlan(
      dataset: dataset, network: network,
      optimizer: ownOptions.configuration(
        optimizer.common(
          damping, start.precision, steps: steps,
          bound: bound.bound(steps: steps, isInNats: model.resolvedLoss.isInNats))),
      schedule: optimizer.schedule(steps: steps), batches: batches,
      runDirectory: output.runDirectory!)
    plan.rules = rules
    plan.clipNorm = optimizer.clipNorm.flatMap { $0.isFinite ? $0 : nil }
    plan.sparse = optimizer.sparse
    plan.masks = pruning.masks
    plan.pruning = try pruning.plan(steps: steps, stepsPerEpoch: batches.batchesPerEpoch)
    if pruning.cycle, let pruning = plan.pruning { plan.schedule.restarts = pruning.times.steps }
    plan.microBatches = length.microBatches
    plan.loss = model.resolvedLoss
    plan.initialWeights = start.weights
    plan.seed = length.seed
    plan.evaluateEvery = length.evaluateEvery
    plan.onNonFinite = optimizer.onNonfinite
    plan.progress = output.progress
    plan.logView = output.logView
    plan.tensorboard = output.tensorboard
    plan.spectrumEvery = output.spectrumEvery
    plan.saving = reliability.saving
    plan.resume = reliability.beginning
    plan.configuration = try Configuration.text(of: self)
    return plan
  }
}

extension Settings {
  /// The name of a new directory in `runs/`: data set, model, optimizer and start time.
  var newRunDirectory: String {
    var now = time(nil)
    var local = tm()
    localtime_r(&now, &local)
    var text = [CChar](repeating: 0, count: 32)
    let length = strftime(&text, text.count, "%Y%m%d-%H%M%S", &local)
    let moment = String(decoding: text.prefix(length).map(UInt8.init(bitPattern:)), as: UTF8.self)
    let parts = [data.dataset, model.model, optimizer.optimizer.rawValue]
    // A path contributes up to 40 characters of its last component.
    let names = parts.map { String(($0.split(separator: "/").last ?? "").suffix(40)) }
    let name = "runs/" + (names + [moment]).joined(separator: "-")
    let candidates = [name] + (2...100).map { "\(name)-\($0)" }
    return candidates.first { access($0, F_OK) != 0 } ?? name
  }
}
