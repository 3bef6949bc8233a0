import ArgumentParser
import Datasets
import Launching
import Networks
import Training

/// Everything that can be set on the command line or, under the same names, in a YAML file.
struct Settings: ParsableArguments {
  @OptionGroup(title: "Data") var data: DataSettings
  @OptionGroup(title: "Model") var model: ModelSettings
  @OptionGroup(title: "Optimizer") var optimizer: OptimizerSettings
  @OptionGroup(title: "Damping of M-FAC") var damping: DampingSettings
  @OptionGroup(title: "Length and order") var length: LengthSettings
  @OptionGroup(title: "Output") var output: OutputSettings
  @OptionGroup(title: "Checkpoints and faults") var reliability: ReliabilitySettings

  /// Of a file alone: the key `groups`.
  var rules: [ParameterRule] = []

  private enum CodingKeys: CodingKey {
    case data, model, optimizer, damping, length, output, reliability
  }

  /// Checks what several settings decide together: a file's and the command line's may each be half
  /// of it.
  mutating func checkTogether() throws {
    try data.resolve()
    try damping.resolve()
    try reliability.resolve()
    try require(
      !optimizer.sparse || model.initialWeights != nil, "--sparse",
      "--initial-weights with it, whose zeros stay", "none")
    try require(
      length.batchSize % length.microBatches == 0, "--batch-size",
      "a multiple of --micro-batches, \(length.microBatches)", length.batchSize)
    try require(
      reliability.resume != "auto" || output.runDirectory != nil, "--resume auto",
      "--run-directory with it", "none")
    if let epochs = length.epochs {
      try require(length.steps == nil, "--epochs", "no --steps beside it", epochs)
    } else if length.steps == nil {
      length.epochs = 3
    }
    if optimizer.optimizer == .adamw {
      try require(
        optimizer.momentum == 0, "--momentum", "0 with adamw, which has its own",
        optimizer.momentum)
      optimizer.weightDecayMode = .decoupled
    }
  }
}

struct ModelSettings: ParsableArguments {
  private static let models =
    NetworkDescription.builtInNames.joined(separator: ", ") + ", or a model file (.yaml)"

  @Option(help: "\(models).")
  var model = "cnn"

  @Option(help: "Start from these weights (.safetensors) instead of drawing them.")
  var initialWeights: String?

  enum LossName: String, CaseIterable, ExpressibleByArgument {
    case crossEntropy = "cross-entropy"
    case meanSquaredError = "mean-squared-error"
    case binaryCrossEntropy = "binary-cross-entropy"
  }

  @Option(
    help: """
      cross-entropy, mean-squared-error or binary-cross-entropy; the latter two to the values, or \
      to the class as a unit vector. (default: mean-squared-error for values, else cross-entropy)
      """)
  var loss: LossName?

  @Option(
    parsing: .unconditional,
    help: "ε: targets of cross-entropy are (1 − ε)·onehot + ε/classes.")
  var labelSmoothing = 0.0

  func validate() throws {
    try require(
      labelSmoothing >= 0 && labelSmoothing < 1, "--label-smoothing", "in [0, 1)", labelSmoothing)
  }

  /// Fills in the loss that the targets ask for.
  mutating func resolve(for targets: TargetKind) throws {
    var standard = LossName.crossEntropy
    if case .values = targets { standard = .meanSquaredError }
    loss = loss ?? standard
    guard labelSmoothing == 0 || loss == .crossEntropy else {
      throw DatasetError(
        "--label-smoothing", "is of cross-entropy alone", expected: "0 with \(loss!.rawValue)",
        got: "\(labelSmoothing)")
    }
  }

  /// Of settings that are resolved.
  var resolvedLoss: Loss {
    switch loss! {
    case .crossEntropy: .crossEntropy(labelSmoothing: labelSmoothing)
    case .meanSquaredError: .meanSquaredError
    case .binaryCrossEntropy: .binaryCrossEntropy
    }
  }

  /// The network that `model` names.
  ///
  /// - Parameters:
  ///   - input: the shape of the data's examples.
  ///   - outputs: classes, tokens of the vocabulary, or values of the data.
  func network(input: [Int], outputs: Int) throws -> NetworkDescription {
    if model == "gpt-mini", input.count != 1 {
      throw DatasetError("--model", "gpt-mini expects tokens [positions]", got: "\(input)")
    }
    if let network = try NetworkDescription.builtIn(model, input: input, outputs: outputs) {
      return network
    }
    guard model.hasSuffix(".yaml") || model.hasSuffix(".yml") || model.contains("/") else {
      throw DatasetError(
        "--model", "unknown network",
        expected: Self.models, got: "'\(model)'")
    }
    return try NetworkDescription(yaml: try TextFile.read(model), file: model)
  }
}

struct LengthSettings: ParsableArguments {
  @Option(parsing: .unconditional, help: "Examples in a batch, over all ranks.")
  var batchSize = 128

  @Option(
    parsing: .unconditional,
    help: "Equal parts of a batch, computed apart; at least one for each rank.")
  var microBatches = 8

  @Option(parsing: .unconditional, help: "Passes over the training data. (default: 3)")
  var epochs: Int?

  @Option(parsing: .unconditional, help: "Steps, instead of epochs.")
  var steps: Int?

  @Option(parsing: .unconditional, help: "Steps between two evaluations. (default: an epoch)")
  var evaluateEvery: Int?

  @Option(help: "shuffled in each epoch, or sequential: in the order of the file.")
  var order = BatchOrder.Order.shuffled

  @Option(
    parsing: .unconditional, help: "Of the initial weights, the order, augmentation and splits.")
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
    help: """
      Where config.yaml, metrics.jsonl and model.safetensors go. \
      (default: a new directory under runs/)
      """)
  var runDirectory: String?

  @Option(help: "What to show meanwhile; automatic: a bar on a terminal, lines elsewhere.")
  var progress = Progress.Style.automatic

  @Flag(inversion: .prefixedNo, help: "Say in the end what each phase of the steps has cost.")
  var logView = false

  func validate() throws {
    try require(runDirectory != "", "--run-directory", "a path", "an empty one")
  }
}

extension BatchOrder.Order: ExpressibleByArgument {}
extension TrainingPlan.OnNonFinite: ExpressibleByArgument {}
extension Progress.Style: ExpressibleByArgument {}
