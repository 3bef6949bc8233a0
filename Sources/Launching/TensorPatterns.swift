import ArgumentParser
import Training

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
