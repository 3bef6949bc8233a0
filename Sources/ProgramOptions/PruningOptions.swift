import ArgumentParser
import Pruning
import TrainedModels
import Training

/// Declares the pruning options that swift-mfac-prune and swift-mfac-train share. The former's
/// `--method` is the latter's `--prune-method`.
package enum PruningOptions {
  /// The program that declares the options.
  package enum Program {
    case prune, train

    /// swift-mfac-train has many options, and shows these with `--help-hidden` alone.
    fileprivate var visibility: ArgumentVisibility { self == .prune ? .default : .hidden }

    fileprivate func name(_ option: String) -> NameSpecification {
      .customLong(self == .prune ? option : "prune-\(option)")
    }

    fileprivate func flag(_ option: String) -> String {
      self == .prune ? "--\(option)" : "--prune-\(option)"
    }
  }

  /// Returns the option that selects the saliency.
  package static func method(of program: Program) -> Option<PruningMethod> {
    Option(
      wrappedValue: .magnitude, name: program.name("method"),
      help: ArgumentHelp(
        """
        Saliency of a weight: magnitude w²; diagonal w²F_ii/2; woodfisher w²/(2[F⁻¹]_ii) with F in \
        blocks; mfac the same with the whole F.
        """, visibility: program.visibility))
  }

  /// Returns the option that selects the update of the kept weights.
  package static func update(of program: Program) -> Option<PruningUpdate> {
    Option(
      wrappedValue: PruningPlan.Gradients().update, name: program.name("update"),
      help: ArgumentHelp(
        """
        Update of the kept weights: joint minimizes the quadratic model for all removed weights \
        together; independent adds up the updates for each one, as published; none. (woodfisher, \
        mfac)
        """, visibility: program.visibility))
  }

  /// Returns the option that sets the size of F's blocks, in weights.
  package static func blockSize(of program: Program) -> Option<Int> {
    Option(
      wrappedValue: PruningPlan.Gradients().blockSize, name: program.name("block-size"),
      parsing: .unconditional,
      help: .advanced(
        "Largest number of consecutive weights in a block of F. (woodfisher)", valueName: "count"))
  }

  /// Returns the option that bounds the sparsity of a tensor.
  package static func maxTensorSparsity(of program: Program) -> Option<Double> {
    Option(
      wrappedValue: 1, parsing: .unconditional,
      help: .advanced("Largest sparsity of a tensor, in (0, 1].", valueName: "s"))
  }

  /// Checks that sparsities lie in [0, 1), and that a list of them increases.
  ///
  /// - Parameters:
  ///   - sparsity: value of `--sparsity`.
  ///   - sparsities: value of the option that takes a list.
  ///   - list: flag of that option.
  /// - Throws: `ValidationError`.
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

  /// Checks that the largest sparsity of a tensor lies in (0, 1].
  package static func check(maxTensorSparsity: Double) throws {
    try require(
      maxTensorSparsity > 0 && maxTensorSparsity <= 1, "--max-tensor-sparsity", "in (0, 1]",
      maxTensorSparsity)
  }

  /// Checks that the size of F's blocks lies in 1...10⁹.
  package static func check(blockSize: Int, of program: Program) throws {
    try require(program.flag("block-size"), in: 1...1_000_000_000, blockSize)
  }
}

/// The options that select the tensors to prune.
package struct TensorPatterns: ParsableArguments {
  @Option(
    parsing: .singleValue,
    help: .advanced(
      """
      Prune tensors whose names match this pattern, such as '*.weight'; may be repeated. (default: \
      all with two or more dimensions)
      """, valueName: "pattern"))
  private var include: [String] = []

  @Option(
    parsing: .singleValue,
    help: .advanced(
      "Do not prune tensors whose names match this pattern; may be repeated.", valueName: "pattern")
  )
  private var exclude: [String] = []

  package init() {}

  package var choice: TensorChoice { TensorChoice(include: include, exclude: exclude) }
}

extension PruningMethod: ExpressibleByArgument {}
extension PruningUpdate: ExpressibleByArgument {}
extension Selection.Scope: ExpressibleByArgument {}
