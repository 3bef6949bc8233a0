import ArgumentParser
import Datasets
import Formats
import LinearAlgebra
import Networks

/// The options that select a network and its loss.
package struct ModelSettings: ParsableArguments {
  private static let models =
    NetworkDescription.builtInNames.joined(separator: ", ") + ", or a model file (.yaml, .json)"

  @Option(help: "Network: \(models).", completion: .file())
  package var model = "cnn"

  package enum LossName: String, CaseIterable, ExpressibleByArgument {
    case crossEntropy = "cross-entropy"
    case meanSquaredError = "mean-squared-error"
    case binaryCrossEntropy = "binary-cross-entropy"
  }

  @Option(help: "Loss function. (default: mean-squared-error for values, else cross-entropy)")
  package var loss: LossName?

  @Option(
    parsing: .unconditional,
    help: .advanced(
      "Smooth the targets of cross-entropy to (1 − ε)·onehot + ε/classes.", valueName: "eps"))
  package var labelSmoothing = 0.0

  package init() {}

  package func validate() throws {
    try require(
      labelSmoothing >= 0 && labelSmoothing < 1, "--label-smoothing", "in [0, 1)", labelSmoothing)
  }

  /// Fills in the default loss for the kind of targets.
  ///
  /// - Throws: `InputError` if labels are smoothed under a loss other than cross-entropy.
  package mutating func resolve(for targets: TargetKind) throws {
    var standard = LossName.crossEntropy
    if case .values = targets { standard = .meanSquaredError }
    loss = loss ?? standard
    guard labelSmoothing == 0 || loss == .crossEntropy else {
      throw InputError(
        "--label-smoothing", "applies to cross-entropy only", expected: "0 with \(loss!.rawValue)",
        got: "\(labelSmoothing)")
    }
  }

  /// The loss function; call `resolve` first.
  package var resolvedLoss: Loss {
    switch loss! {
    case .crossEntropy: .crossEntropy(labelSmoothing: labelSmoothing)
    case .meanSquaredError: .meanSquaredError
    case .binaryCrossEntropy: .binaryCrossEntropy
    }
  }

  /// Returns the network that `model` names, with the shapes of the data set.
  ///
  /// - Throws: `InputError`; if the network does not fit the data, it names one that does.
  package func network(for dataset: Dataset) throws -> NetworkDescription {
    let (shape, outputs) = (dataset.inputShape, dataset.targets.outputs)
    guard NetworkDescription.builtInNames.contains(model) else {
      let isFile = [".yaml", ".yml", ".json"].contains(where: model.hasSuffix)
      guard isFile || model.contains("/") else {
        throw InputError(
          "--model", "unknown network", expected: "\(Self.models)", got: "'\(model)'")
      }
      return try NetworkDescription(yaml: try TextFile.read(model), file: model)
    }
    try checkKind(of: dataset)
    do {
      return try NetworkDescription.builtIn(model, input: shape, outputs: outputs)!
    } catch let error as NetworkDescriptionError where model != "mlp" && shape.count == 3 {
      throw InputError(
        "--model", "\(model) does not fit \(dataset.noun) of shape \(shape): \(error)",
        expected: "--model mlp")
    }
  }

  /// Checks that a built-in network accepts this kind of data.
  private func checkKind(of dataset: Dataset) throws {
    let (shape, positions) = (dataset.inputShape, dataset.targets.positions)
    let isImage = shape.count == 3 && positions == 1
    // One prediction per token.
    let isSequence = shape == [positions]
    let (kind, fits) =
      switch model {
      case "gpt-mini": ("tokens [positions], with a prediction at each", isSequence)
      case "mlp": ("data with one prediction per example", positions == 1)
      default: ("images [channels, height, width]", isImage)
      }
    guard fits else {
      let fitting =
        isSequence && positions > 1
        ? "gpt-mini" : positions > 1 ? "FILE.yaml" : isImage ? "cnn" : "mlp"
      throw InputError(
        "--model", "\(model) is for \(kind)",
        expected: "--model \(fitting) for \(dataset.noun) of shape \(shape) and \(dataset.targets)",
        got: "\(model)")
    }
    guard model == "mlp" || dataset.channelsFirst == nil else {
      throw dataset.channelsLastRefusal(of: model)
    }
  }
}

/// The option that sets the precision of all computation.
package struct PrecisionSettings: ParsableArguments {
  @Option(
    help: .advanced(
      "Precision of all computation; float64 takes twice the memory and time.", valueName: "type"))
  package var precision = Precision.float32

  package init() {}
}

extension Precision: ExpressibleByArgument {}
