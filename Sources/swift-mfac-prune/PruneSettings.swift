import ArgumentParser
import ProgramOptions
import Pruning
import TrainedModels
import Training

/// All settings of the program.
struct PruneSettings: ParsableArguments {
  @OptionGroup var source: TrainedModelSettings
  @OptionGroup(title: "Tensors") var tensors: TensorSettings
  @OptionGroup(title: "Selection") var selection: SelectionSettings
  @OptionGroup(title: "Fisher matrix (all methods but magnitude)") var fisher: FisherSettings
  @OptionGroup(title: "Output") var output: OutputSettings

  func validate() throws {
    switch source.files.gradients {
    case .count: break
    case .absent:
      try require(
        !selection.method.takesGradients, "--gradients",
        "a number or a file with --method \(selection.method)", "none")
    case .file(let path):
      try require(
        selection.stages == 1 || output.state != nil, "--stages",
        "1, or --state, with --gradients \(path), which are valid at these weights only",
        selection.stages)
    }
    try require(
      output.state == nil || selection.sparsity != nil, "--state", "--sparsity as well", "none")
    let method = selection.method
    guard !method.hasModel else { return }
    for (flag, list) in [
      ("--damping", fisher.damping), ("--gradient-scale", fisher.gradientScale),
      ("--update-step", fisher.updateStep),
    ] {
      try require(
        list.values.count == 1, flag, "one value with --method \(method.rawValue)", list)
    }
  }
}

/// The options that select the tensors to prune, and an earlier mask.
struct TensorSettings: ParsableArguments {
  @Option(
    help: .init(
      "Continue from this masks.safetensors: its zeros stay, and count towards the sparsity.",
      valueName: "file"), completion: .file())
  var masks: String?

  @OptionGroup var patterns: TensorPatterns

  var choice: TensorChoice { patterns.choice }
}

struct OutputSettings: ParsableArguments {
  @Option(
    help: """
      Directory for model.safetensors, masks.safetensors and report.json; with --sweep, one \
      subdirectory for each sparsity, such as sparsity-0.9.
      """, completion: .directory)
  var output: String

  @Flag(
    help: .advanced(
      """
      Also write sparse.safetensors with pruned tensors in compressed rows: NAME.values, \
      NAME.columns, NAME.offsets and NAME.shape; the other tensors unchanged.
      """))
  var sparseOutput = false

  @Option(
    help: .advanced(
      """
      Directory for finished stages; the same command continues after the last. With a file of \
      --gradients, each call computes one stage: the next needs gradients at its weights.
      """, valueName: "dir"), completion: .directory)
  var state: String?

  func validate() throws {
    try require(state != "", "--state", "a path", "an empty one")
    try require(!output.isEmpty, "--output", "a path", "an empty one")
  }
}

extension PruneSettings {
  /// True if each stage needs a call of its own: its gradients come from a file.
  var waitsForGradients: Bool {
    guard case .file = source.files.gradients else { return false }
    return selection.method.takesGradients
  }
}

extension PruneSettings {
  /// The rules for options that have an effect with some methods only.
  static var uses: [OptionUse<PruneSettings>] {
    [
      ofMethods(["page-directory", "damping", "gradient-batch"], where: \.takesGradients),
      OptionUse(
        ["gradients"], beside: "a --method other than magnitude, or as a file or none",
        got: { "--method \($0.selection.method.rawValue)" },
        where: {
          guard case .count = $0.source.files.gradients else { return true }
          return $0.selection.method.takesGradients
        }),
      ofMethods(["block-size", "block-scope"], where: \.isBlockwise),
      ofMethods(["update", "gradient-scale", "update-step", "held-out"], where: \.hasModel),
      OptionUse(
        ["update-step"], beside: "--update joint or independent", got: { _ in "--update none" },
        where: { $0.fisher.update != .none }),
    ]
  }

  private static func ofMethods(
    _ options: [String], where holds: @escaping (PruningMethod) -> Bool
  ) -> OptionUse<PruneSettings> {
    let names = PruningMethod.allCases.filter(holds).map(\.rawValue)
    return OptionUse(
      options, beside: "--method \(names.joined(separator: " or "))",
      got: { "--method \($0.selection.method.rawValue)" },
      where: { holds($0.selection.method) })
  }
}
