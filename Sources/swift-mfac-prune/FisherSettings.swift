import ArgumentParser
import Launching
import Pruning

/// The empirical Fisher matrix F = λI + (1/m) GᵀG, and what is done with it.
struct FisherSettings: ParsableArguments {
  @Option(
    help: """
      A directory on a local disk for files of G, for more than there is memory; each rank makes one, \
      which is gone when it ends. The result is the same.
      """)
  var pageDirectory: String?

  @Option(parsing: .unconditional, help: "λ.")
  var damping = 1e-5

  enum BlockScope: String, CaseIterable, ExpressibleByArgument {
    case tensor, all
  }

  @Option(
    parsing: .unconditional, help: "Weights of a block, one after another, at most. (woodfisher)")
  var blockSize = 2000

  @Option(
    help: """
      tensor: a block is of one tensor, as published; all: blocks are cut from all weights. (woodfisher)
      """)
  var blockScope = BlockScope.tensor

  @Option(
    help: """
      How the weights that stay answer: joint, by the minimum of the model for all that go; \
      independent, by the sum of the answers to each alone, as published; none. (woodfisher, mfac)
      """)
  var update = BrainSurgeon.Update.joint

  @Option(
    parsing: .unconditional,
    help: "η, times the mean gradient in the model, where the network is not at its optimum.")
  var gradientScale = 0.0

  func validate() throws {
    try require(pageDirectory != "", "--page-directory", "a path", "an empty one")
    try require("--block-size", in: 1...1_000_000_000, blockSize)
    try require(damping > 0 && damping.isFinite, "--damping", "> 0", damping)
    try require(
      gradientScale >= 0 && gradientScale.isFinite, "--gradient-scale", "≥ 0", gradientScale)
    try require(
      gradientScale == 0 || update == .joint, "--gradient-scale",
      "0 with --update \(update.rawValue)",
      gradientScale)
  }

  /// For people, by the options' names.
  func described(for method: SelectionSettings.Method) -> [String: String] {
    var settings = ["damping": "\(damping)"]
    if method != .diagonal {
      settings["update"] = update.rawValue
      settings["gradient-scale"] = "\(gradientScale)"
    }
    if method == .woodfisher {
      settings["block-size"] = "\(blockSize)"
      settings["block-scope"] = blockScope.rawValue
    }
    return settings
  }
}

extension BrainSurgeon.Update: ExpressibleByArgument {}
