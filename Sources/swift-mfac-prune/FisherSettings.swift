import ArgumentParser
import ProgramOptions
import Pruning
import Training

/// The options of the empirical Fisher matrix and of the update of the kept weights.
///
/// F = λI + (1/m) GᵀG, with m gradients as the rows of G [m, d].
struct FisherSettings: ParsableArguments {
  @Option(
    help: .advanced(
      """
      Keep gradients in temporary files in this local directory instead of memory. The result is \
      the same.
      """, valueName: "dir"), completion: .directory)
  var pageDirectory: String?

  @Option(
    parsing: .unconditional,
    help: .init(
      "λ; of several (1e-5,1e-4,…) each stage takes the best on held-out examples or rows.",
      valueName: "lambda"))
  var damping = NumberList([1e-5])

  enum BlockScope: String, CaseIterable, ExpressibleByArgument {
    case tensor, all
  }

  @Option var blockSize: Int

  @Option(
    help: .advanced(
      "Cut the blocks within each tensor, as published, or from all weights. (woodfisher)",
      valueName: "scope"))
  var blockScope = BlockScope.tensor

  @Option var update: PruningUpdate

  @Option(
    parsing: .unconditional,
    help: .advanced(
      """
      η: weight of the mean gradient in the quadratic model, for a network that is not at its \
      optimum; of several the best on held-out examples. (joint updates)
      """, valueName: "eta"))
  var gradientScale = NumberList([0])

  @Option(
    parsing: .unconditional,
    help: .advanced(
      "τ in [0, 1]: fraction of the update to apply; of several the best on held-out examples.",
      valueName: "tau"))
  var updateStep = NumberList([1])

  @Option(
    parsing: .unconditional,
    help: .advanced(
      """
      Number of training examples (or last rows of a file) held out to compare several --damping, \
      --gradient-scale or --update-step. (default: a tenth, at most 5000)
      """, valueName: "count"))
  var heldOut: Int?

  init() {
    _blockSize = PruningOptions.blockSize(of: .prune)
    _update = PruningOptions.update(of: .prune)
  }

  func validate() throws {
    try require(pageDirectory != "", "--page-directory", "a path", "an empty one")
    try PruningOptions.check(blockSize: blockSize, of: .prune)
    try require(
      !damping.values.isEmpty && damping.values.allSatisfy { $0 > 0 && $0.isFinite }, "--damping",
      "> 0 and finite", damping)
    try require(
      gradientScale.values.allSatisfy { $0 >= 0 && $0.isFinite }, "--gradient-scale",
      "≥ 0 and finite",
      gradientScale)
    try require(
      gradientScale.values == [0] || update == .joint, "--gradient-scale",
      "0 with --update \(update.rawValue)", gradientScale)
    try require(
      updateStep.values.allSatisfy((0...1).contains), "--update-step", "in [0, 1]", updateStep)
    if let heldOut {
      try require("--held-out", in: 1...1_000_000_000, heldOut)
      try require(
        candidates.count > 1, "--held-out",
        "several values of --damping, --gradient-scale or --update-step as well", heldOut)
    }
  }

  var candidates: ModelCandidates {
    ModelCandidates(
      dampings: damping.values, gradientScales: gradientScale.values, steps: updateStep.values)
  }

  /// Returns how many of `count` training examples, or rows of a file of gradients, are held out to
  /// compare the candidates; 0 for a single candidate.
  ///
  /// - Throws: `PruningError` if no example would remain for the Fisher matrix.
  func heldOutCount(of count: Int) throws(PruningError) -> Int {
    guard candidates.count > 1 else { return 0 }
    let heldOut = heldOut ?? min(5000, max(count / 10, 1))
    guard heldOut < count else {
      throw PruningError(
        """
        --held-out \(heldOut): expected fewer than the \(count) training examples (or rows of a \
        file of gradients): the Fisher matrix needs the others
        """)
    }
    return heldOut
  }

  /// Returns the settings by option name, for the report.
  func described(for method: PruningMethod) -> [String: String] {
    var settings = ["damping": "\(damping)"]
    if method.hasModel {
      settings["update"] = update.rawValue
      settings["gradient-scale"] = "\(gradientScale)"
      settings["step"] = "\(updateStep)"
      settings["held-out"] = heldOut.map { "\($0)" }
    }
    if method.isBlockwise {
      settings["block-size"] = "\(blockSize)"
      settings["block-scope"] = blockScope.rawValue
    }
    return settings
  }
}
