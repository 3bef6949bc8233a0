import ArgumentParser
import Datasets
import LinearAlgebra
import Optimizers
import ProgramOptions
import Training

/// All settings of a run; each is a flag, and a key of the YAML file under the same name.
struct Settings: ParsableArguments {
  @OptionGroup(title: "Data") var data: DataSettings
  @OptionGroup(title: "Model") var model: ModelSettings
  @OptionGroup(title: "Model") var start: StartSettings
  @OptionGroup(title: "Optimizer") var optimizer: OptimizerSettings
  @OptionGroup(title: "Optimizer") var bound: ChangeBoundOptions
  @OptionGroup(title: "Damping of M-FAC and K-FAC") var damping: DampingSettings
  @OptionGroup(title: "K-FAC") var kronecker: KroneckerOptions
  @OptionGroup(title: "Muon") var muon: MuonOptions
  @OptionGroup(title: "Pruning") var pruning: PruningSettings
  @OptionGroup(title: "Length and order") var length: LengthSettings
  @OptionGroup(title: "Output") var output: OutputSettings
  @OptionGroup(title: "Checkpoints and faults") var reliability: ReliabilitySettings

  /// The rules under the key `groups`, which only a file has.
  var rules: [ParameterRule] = []

  private enum CodingKeys: CodingKey {
    case data, model, start, optimizer, bound, damping, kronecker, muon, pruning, length, output,
      reliability
  }

  /// Checks that the settings are consistent, and fills in defaults that depend on others. Call
  /// this function once the file's and the command line's settings are merged.
  ///
  /// - Throws: `ValidationError`.
  mutating func checkTogether() throws {
    try data.resolve()
    optimizer.learningRate = optimizer.learningRate ?? ownOptions.learningRate
    optimizer.clipNorm = optimizer.clipNorm ?? ownOptions.clipNorm
    try optimizer.mfac.resolve(for: start.precision)
    try damping.resolve(standard: ownOptions)
    try kronecker.resolve()
    try pruning.resolve(sparse: optimizer.sparse)
    try reliability.resolve()
    try require(
      !optimizer.sparse || start.weights != nil, "--sparse",
      "--weights as well, whose zeros stay", "none")
    let parts = length.microBatches
    let multiple = max(1, (length.batchSize + parts / 2) / parts) * parts
    try require(
      length.batchSize % parts == 0, "--batch-size",
      "a multiple of --micro-batches, \(parts), such as \(multiple)",
      length.batchSize)
    try require(
      reliability.resume != "auto" || output.runDirectory != nil, "--resume auto",
      "--run-directory as well", "none")
    if let epochs = length.epochs {
      try require(length.steps == nil, "--epochs", "no --steps", epochs)
    } else if length.steps == nil {
      length.epochs = 3
    }
    let local = ownOptions
    bound.resolve(standard: local.bound)
    let common = optimizer.common(damping, start.precision)
    try local.check(common, bound)
    if type(of: local).decayIsDecoupled { optimizer.weightDecayMode = .decoupled }
    if output.tensorboard, let window = local.configuration(common).windowed?.window {
      output.spectrumEvery = output.spectrumEvery ?? max(100, window / 4)
    }
  }
}

extension Settings: OptimizerSelection {
  var optimizerName: OptimizerName { optimizer.optimizer }
  var mfac: MFACOptions { optimizer.mfac }
}

struct StartSettings: ParsableArguments {
  @Option(
    help: .init(
      "Start from these weights (.safetensors) instead of random ones.", valueName: "file"),
    completion: .file())
  var weights: String?

  @OptionGroup var numbers: PrecisionSettings

  var precision: Precision { numbers.precision }
}

struct LengthSettings: ParsableArguments {
  @Option(
    parsing: .unconditional,
    help: .init("Examples in a batch, over all ranks.", valueName: "n"))
  var batchSize = 128

  @Option(
    parsing: .unconditional,
    help: .advanced(
      "Number of equal parts of a batch; at least one for each rank.", valueName: "n"))
  var microBatches = 8

  @Option(
    parsing: .unconditional,
    help: .init("Passes over the training data. (default: 3)", valueName: "n"))
  var epochs: Int?

  @Option(
    parsing: .unconditional,
    help: .init("Number of steps, instead of --epochs.", valueName: "n"))
  var steps: Int?

  @Option(
    parsing: .unconditional,
    help: .init("Evaluate every N steps. (default: an epoch)", valueName: "n"))
  var evaluateEvery: Int?

  @Option(
    help: .advanced("Order of the examples: shuffled in each epoch, or sequential as in the file."))
  var order = BatchOrder.Order.shuffled

  @Option(
    parsing: .unconditional,
    help: .init("Seed of initial weights, order, augmentation and splits.", valueName: "n"))
  var seed: UInt64 = 0

  func validate() throws {
    for (flag, count) in [
      ("--batch-size", batchSize), ("--micro-batches", microBatches), ("--epochs", epochs ?? 1),
      ("--steps", steps ?? 1), ("--evaluate-every", evaluateEvery ?? 1),
    ] {
      try require(flag, in: 1...1_000_000_000, count)
    }
  }
}

struct OutputSettings: ParsableArguments {
  @Option(
    help: .init(
      """
      Directory for config.yaml, metrics.jsonl, environment.jsonl and model.safetensors. (default: \
      a new one in runs/)
      """, valueName: "dir"), completion: .directory)
  var runDirectory: String?

  @Option(
    help: .advanced(
      "Progress display; automatic shows a bar on a terminal, lines elsewhere.", valueName: "style")
  )
  var progress = Progress.Style.automatic

  @Flag(
    inversion: .prefixedNo,
    help: .advanced("Print the cost of each phase of a step at the end."))
  var logView = false

  @Flag(
    inversion: .prefixedNo,
    help: "Also write TensorBoard event files to 'tensorboard' in the run directory.")
  var tensorboard = false

  @Option(
    parsing: .unconditional,
    help: .advanced(
      """
      Log the spectrum of the Gram matrix every N steps, O(m³) each. (mfac; default: never; with \
      --tensorboard 100, or m/4 if larger)
      """, valueName: "steps"))
  var spectrumEvery: Int?

  func validate() throws {
    try require(runDirectory != "", "--run-directory", "a path", "an empty one")
    try require("--spectrum-every", in: 1...1_000_000_000, spectrumEvery ?? 1)
  }
}

extension BatchOrder.Order: ExpressibleByArgument {}
extension TrainingPlan.OnNonFinite: ExpressibleByArgument {}
extension Progress.Style: ExpressibleByArgument {}
