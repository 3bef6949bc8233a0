import ArgumentParser
import Pruning
import TrainedModels
import Training

/// The options by which both programs say how weights are removed, each in its spelling: `--method`
/// of the one that prunes is `--prune-method` of the one that trains.
package enum PruningOptions {
  /// The program whose options they are.
  package enum Program {
    case prune, train

    fileprivate func name(_ option: String) -> NameSpecification {
      .customLong(self == .prune ? option : "prune-\(option)")
    }

    fileprivate func flag(_ option: String) -> String {
      self == .prune ? "--\(option)" : "--prune-\(option)"
    }
  }

  /// How weights are judged.
  package static func method(of program: Program) -> Option<PruningMethod> {
    Option(
      wrappedValue: .magnitude, name: program.name("method"),
      help: """
        What is removed: magnitude, the smallest weights; diagonal, those of the least w²F_ii/2; \
        woodfisher, of the least w²/(2[F⁻¹]_ii), F block by block; mfac, the same with F whole.
        """)
  }

  /// How the weights that stay answer.
  package static func update(of program: Program) -> Option<PruningUpdate> {
    Option(
      wrappedValue: PruningPlan.Gradients().update, name: program.name("update"),
      help: program == .train
        ? "How the weights that stay answer: joint, independent or none. (woodfisher, mfac)"
        : """
        How the weights that stay answer: joint, by the minimum of the model for all that go; \
        independent, by the sum of the answers to each alone, as published; none. (woodfisher, mfac)
        """)
  }

  /// The size of the blocks of F.
  package static func blockSize(of program: Program) -> Option<Int> {
    Option(
      wrappedValue: PruningPlan.Gradients().blockSize, name: program.name("block-size"),
      parsing: .unconditional,
      help: program == .train
        ? "Weights of a block, of one tensor, at most. (woodfisher)"
        : "Weights of a block, one after another, at most. (woodfisher)")
  }

  /// The largest sparsity of a tensor.
  package static func maxTensorSparsity(of program: Program) -> Option<Double> {
    let help = "No tensor loses a larger share of its weights than this"
    return Option(
      wrappedValue: 1, parsing: .unconditional,
      help: program == .train ? "\(help), where sparsity grows." : "\(help).")
  }

  /// Checks the values that both programs have.
  ///
  /// - Parameters:
  ///   - sparsities: of an option that takes several.
  ///   - list: that option.
  package static func check(
    sparsity: Double?, sparsities: [Double]?, list: String
  ) throws {
    if let sparsity {
      try require((0..<1).contains(sparsity), "--sparsity", "in [0, 1)", sparsity)
    }
    if let sparsities {
      try require(
        sparsities.allSatisfy((0..<1).contains)
          && zip(sparsities, sparsities.dropFirst()).allSatisfy(<),
        list, "increasing sparsities in [0, 1)", NumberList(sparsities))
    }
  }

  /// Checks the largest sparsity of a tensor.
  package static func check(maxTensorSparsity: Double) throws {
    try require(
      maxTensorSparsity > 0 && maxTensorSparsity <= 1, "--max-tensor-sparsity", "in (0, 1]",
      maxTensorSparsity)
  }

  /// Checks the size of the blocks of F.
  package static func check(blockSize: Int, of program: Program) throws {
    try require(program.flag("block-size"), in: 1...1_000_000_000, blockSize)
  }
}

/// Which tensors are pruned.
package struct TensorPatterns: ParsableArguments {
  @Option(
    parsing: .singleValue,
    help: """
      Prune the tensors whose names match this pattern, such as '*.weight'; may be repeated. \
      (default: all of two dimensions or more)
      """)
  private var include: [String] = []

  @Option(
    parsing: .singleValue,
    help: "Prune none of those whose names match this pattern; may be repeated.")
  private var exclude: [String] = []

  package init() {}

  package var choice: TensorChoice { TensorChoice(include: include, exclude: exclude) }
}

extension PruningMethod: ExpressibleByArgument {}
extension PruningUpdate: ExpressibleByArgument {}
extension Selection.Scope: ExpressibleByArgument {}
