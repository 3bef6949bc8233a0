import ArgumentParser
import Datasets
import Networks

/// Which network, and the loss of its outputs.
package struct ModelSettings: ParsableArguments {
  private static let models =
    NetworkDescription.builtInNames.joined(separator: ", ") + ", or a model file (.yaml)"

  @Option(help: "\(models).", completion: .file())
  package var model = "cnn"

  package enum LossName: String, CaseIterable, ExpressibleByArgument {
    case crossEntropy = "cross-entropy"
    case meanSquaredError = "mean-squared-error"
    case binaryCrossEntropy = "binary-cross-entropy"
  }

  @Option(
    help: """
      cross-entropy, mean-squared-error or binary-cross-entropy; the latter two to the values, or \
      to the class as a unit vector. (default: mean-squared-error for values, else cross-entropy)
      """)
  package var loss: LossName?

  @Option(
    parsing: .unconditional,
    help: "ε: targets of cross-entropy are (1 − ε)·onehot + ε/classes.")
  package var labelSmoothing = 0.0

  package init() {}

  package func validate() throws {
    try require(
      labelSmoothing >= 0 && labelSmoothing < 1, "--label-smoothing", "in [0, 1)", labelSmoothing)
  }

  /// Fills in the loss that the targets ask for.
  package mutating func resolve(for targets: TargetKind) throws {
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
  package var resolvedLoss: Loss {
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
  package func network(input: [Int], outputs: Int) throws -> NetworkDescription {
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
