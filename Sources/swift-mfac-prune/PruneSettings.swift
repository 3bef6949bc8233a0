import ArgumentParser
import Datasets
import Launching
import Networks
import Pruning
import Sharding
import Training

/// Everything that can be set.
struct PruneSettings: ParsableArguments {
  @OptionGroup(title: "Data") var data: DataSettings
  @OptionGroup(title: "Model") var model: ModelSettings
  @OptionGroup(title: "Weights") var weights: WeightSettings
  @OptionGroup(title: "Selection") var selection: SelectionSettings
  @OptionGroup(title: "Fisher matrix (all methods but magnitude)") var fisher: FisherSettings
  @OptionGroup(title: "Output") var output: OutputSettings
}

struct WeightSettings: ParsableArguments {
  @Option(help: "The weights to prune (.safetensors).")
  var weights: String

  @Option(
    help: """
      A masks.safetensors of earlier pruning: what it has removed is zero, stays so, and counts.
      """)
  var masks: String?

  @Option(
    parsing: .singleValue,
    help: """
      Prune the tensors whose names match this pattern, such as '*.weight'; may be repeated. \
      (default: all of two dimensions or more)
      """)
  var include: [String] = []

  @Option(
    parsing: .singleValue,
    help: "Leave those as they are whose names match this pattern; may be repeated.")
  var exclude: [String] = []

  @Option(parsing: .unconditional, help: "Of the split into training and test examples.")
  var seed: UInt64 = 0

  /// The network's tensors, those of them prunable that the patterns say.
  ///
  /// - Throws: `PruningError` naming a pattern that no tensor matches.
  func tensors(of layout: ParameterLayout) throws -> [WeightTensor] {
    try TensorChoice(include: include, exclude: exclude).tensors(of: layout)
  }
}

struct OutputSettings: ParsableArguments {
  @Option(
    help: """
      A directory for model.safetensors, masks.safetensors and report.json; with --sweep, those of \
      each sparsity in one of its own, as sparsity-0.9.
      """)
  var output: String

  func validate() throws {
    try require(!output.isEmpty, "--output", "a path", "an empty one")
  }
}

extension PruneSettings {
  /// How the weights are cut: block by block where the matrix is, else as ever.
  func cells(of count: Int) -> Cells {
    selection.method == .woodfisher
      ? Cells(parameterCount: count, size: min(fisher.blockSize, max(count, 1)))
      : Cells(parameterCount: count)
  }
}
