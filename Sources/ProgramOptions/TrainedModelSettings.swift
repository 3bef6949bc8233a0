import ArgumentParser
import Formats
import LinearAlgebra
import MPI
import Networks
import TrainedModels
import Training

/// The options that select a trained model: a network of this package with its data, or files of
/// weights and gradients from any framework.
package struct TrainedModelSettings: ParsableArguments {
  @OptionGroup(title: "Data") package var data: DataSettings
  @OptionGroup(title: "Model") package var model: ModelSettings
  @OptionGroup(title: "Weights and gradients") package var files: GradientSettings
  @OptionGroup(title: "Weights and gradients") package var numbers: PrecisionSettings

  package init() {}

  /// Fills in the defaults of a network's data, or refuses options that do not apply to a foreign
  /// model.
  ///
  /// - Throws: `ValidationError` naming the option.
  package mutating func resolve() throws {
    if case .count = files.gradients { return try data.resolve() }
    // The parsed settings do not distinguish a default from the same value typed: search the
    // command line.
    let given = Set(CommandLine.arguments.map { String($0.prefix { $0 != "=" }) })
    let groups: [Any] = [data, model]
    let names = groups.flatMap(declaredOptions(in:)).map(\.name)
    for flag in names.flatMap({ [$0, "no-\($0)"] }) + ["gradient-batch", "seed"]
    where given.contains("--\(flag)") {
      throw ValidationError(
        "--\(flag) applies only if --gradients is a number, not \(files.gradients): a file has no "
          + "--model and --dataset")
    }
  }

  /// The scalar type of all computation.
  package var scalar: any Scalar.Type { numbers.precision.scalar }

  /// Reads the model and its data. Collective.
  ///
  /// - Parameters:
  ///   - weights: file of weights; nil for that of `--weights`.
  ///   - isRequired: returns true for a tensor of a foreign model that must have gradients.
  package func load<Element: Scalar>(
    weights: String? = nil, isRequired: (TensorEntry) -> Bool = { _ in false },
    as scalar: Element.Type, on world: Communicator
  ) throws -> any TrainedModel<Element> {
    let weights = weights ?? files.weights
    let rowCount: Int
    switch files.gradients {
    case .absent:
      return try ForeignModel<Element>(
        weights: weights, gradients: nil, isRequired: isRequired, on: world)
    case .file(let path):
      return try ForeignModel<Element>(
        weights: weights, gradients: path, isRequired: isRequired, on: world)
    case .count(let count): rowCount = count
    }
    var model = model
    let (dataset, network) = try world.agree {
      let dataset = try data.source.load(
        try data.options(seed: files.seed, precision: numbers.precision))
      try model.resolve(for: dataset.targets)
      let network = try model.network(for: dataset)
      try network.check(against: dataset, loss: model.resolvedLoss)
      return (dataset, network)
    }
    return try TrainedNetwork<Element>(
      network, name: model.model, weights: weights, dataset: dataset, loss: model.resolvedLoss,
      rowCount: rowCount, examplesPerRow: files.gradientBatch, seed: files.seed, on: world)
  }
}

/// The options that select the weights and the gradients of the Fisher matrix.
package struct GradientSettings: ParsableArguments {
  @Option(
    help: """
      Trained weights (.safetensors) of --model, or of any model together with a file of \
      --gradients.
      """, completion: .file())
  package var weights: String

  @Option(
    parsing: .unconditional,
    help: """
      Gradients that form the Fisher matrix: a number m, computed from the model and its data; a \
      file from any framework (a tensor [m, …shape] for each weight, or one array [m, d]; \
      .safetensors or .npy); or none, for weights without gradients.
      """, completion: .file())
  package var gradients = Gradients.count(1000)

  @Option(
    parsing: .unconditional,
    help: .init("Average each of the m gradients over this many examples.", valueName: "count"))
  package var gradientBatch = 1

  @Option(
    parsing: .unconditional,
    help: .advanced(
      "Seed of the order of the examples and of their split into training and test part."))
  package var seed: UInt64 = 0

  package init() {}

  package func validate() throws {
    if case .count(let count) = gradients { try require("--gradients", in: 1...1_000_000, count) }
    try require("--gradient-batch", in: 1...1_000_000_000, gradientBatch)
  }
}

/// A source of gradients.
package enum Gradients: ExpressibleByArgument, CustomStringConvertible {
  /// m gradients, computed from the network and its data.
  case count(Int)
  case file(String)
  case absent

  package init?(argument: String) {
    if let count = Int(argument) {
      self = .count(count)
    } else if argument.hasSuffix(".safetensors") || argument.hasSuffix(".npy") {
      self = .file(argument)
    } else if argument == "none" {
      self = .absent
    } else {
      return nil
    }
  }

  package var description: String {
    switch self {
    case .count(let count): "\(count)"
    case .file(let path): path
    case .absent: "none"
    }
  }
}
