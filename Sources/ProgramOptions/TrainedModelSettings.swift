import ArgumentParser
import Formats
import LinearAlgebra
import MPI
import Networks
import TrainedModels
import Training

/// What a program works on: a network that this package computes, and its data; or the files of any
/// framework's weights and gradients.
package struct TrainedModelSettings: ParsableArguments {
  @OptionGroup(title: "Data") package var data: DataSettings
  @OptionGroup(title: "Model") package var model: ModelSettings
  @OptionGroup(title: "Weights and gradients") package var files: GradientSettings
  @OptionGroup(title: "Weights and gradients") package var numbers: PrecisionSettings

  package init() {}

  /// Refuses what a foreign model does not have, or fills in the defaults of a network's data.
  package mutating func resolve() throws {
    if case .count = files.gradients { return try data.resolve() }
    // A default looks the same as its value given: only the command line tells.
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

  /// The scalar of all that is computed.
  package var scalar: any Scalar.Type { numbers.precision.scalar }

  /// Reads the model and its data. Collective.
  ///
  /// - Parameters:
  ///   - weights: instead of those of `--weights`.
  ///   - isRequired: of a foreign model, whether a tensor without gradients is to be refused.
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

/// Where gradients come from.
package enum Gradients: ExpressibleByArgument, CustomStringConvertible {
  /// So many of an own network.
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
