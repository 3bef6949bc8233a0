import Datasets
import Formats
import Networks

extension NetworkDescription {
  /// Checks that the network accepts the data's inputs, and that its outputs fit the targets and
  /// the loss.
  ///
  /// - Throws: `InputError` naming the model, the setting or the example at fault.
  package func check(against dataset: Dataset, loss: Loss) throws {
    // Images may be flattened, but their axes keep their order.
    let shape = dataset.inputShape
    guard inputCount == dataset.training.inputCount,
      input.count != shape.count || input == shape
    else {
      if dataset.channelsFirst == input { throw dataset.channelsLastRefusal(of: "the model") }
      throw InputError(
        "the model", "does not take the data's \(dataset.noun)",
        expected: "input: \(shape)"
          + (input.count == shape.count ? "" : ", or [\(dataset.training.inputCount)]"),
        got: "\(input)")
    }
    try checkTargets(dataset, loss)
    try checkTokens(dataset.training)
    try checkTokens(dataset.test)
  }

  /// Checks that the inputs are tokens of the network's vocabulary, if it has one.
  private func checkTokens(_ examples: any Examples) throws {
    guard let vocabulary else { return }
    let stranger = first(of: examples) { buffer in
      buffer.inputs.first { !($0 >= 0 && $0 < Float(vocabulary) && $0.rounded() == $0) }
    }
    if let (index, number) = stranger {
      throw InputError(
        examples.source, "input of example \(index) is not a token of the model's vocabulary",
        expected: "whole numbers from 0 to \(vocabulary - 1)", got: "\(number)")
    }
  }

  /// Returns the first example in which `find` finds a number.
  private func first(
    of examples: any Examples, _ find: (ExampleBuffer<Float>) -> Float?
  ) -> (index: Int, number: Float)? {
    let buffer = ExampleBuffer<Float>(examples, capacity: 1)
    for index in 0..<examples.count {
      buffer.load([index], epoch: nil)
      if let number = find(buffer) { return (index, number) }
    }
    return nil
  }

  /// Checks that the network's outputs fit the data's targets and the loss.
  private func checkTargets(_ dataset: Dataset, _ loss: Loss) throws {
    let targets = dataset.targets
    guard positions == targets.positions else {
      throw InputError(
        "the model", "does not fit the data", expected: "outputs for \(targets)",
        got: "\(outputCount) outputs at \(positions) positions")
    }
    if case .values = targets, case .crossEntropy = loss {
      throw InputError(
        setting: "loss", "cross-entropy is for classes",
        expected: (dataset.columns == nil
          ? "integer targets" : "\(setting: "task", "classification")")
          + ", or \(setting: "loss", "mean-squared-error") for \(targets)")
    }
    if case .values = targets, loss == .binaryCrossEntropy {
      guard dataset.columns == nil else {
        throw InputError(
          setting: "loss",
          "binary-cross-entropy is for probabilities, not for a standardised column",
          expected: "mean-squared-error, or \(setting: "task", "classification")")
      }
      try checkShares(dataset.training)
      try checkShares(dataset.test)
    }
    // A single output distinguishes two classes.
    if case .classes(2, _) = targets, outputCount == 1 {
      if case .crossEntropy = loss {} else { return }
    }
    guard outputCount == targets.outputs else {
      var remedy: Diagnostic = ""
      if case .values(1) = targets {
        remedy =
          dataset.columns == nil
          ? "; integer targets are classes" : "; \(setting: "task", "classification") reads classes"
      }
      throw InputError(
        "the model", "does not have an output for each of the data's targets",
        expected: "\(targets.outputs) output\(targets.outputs == 1 ? "" : "s") of the last layer, "
          + "for \(targets)\(remedy)",
        got: "\(outputCount)")
    }
  }

  /// Checks that targets are in [0, 1]; binary cross-entropy has no lower bound for others.
  private func checkShares(_ examples: any Examples) throws {
    let stranger = first(of: examples) { buffer in
      guard case .values(let values) = buffer.targets else { return nil }
      return values.first { !(0...1).contains($0) }
    }
    if let (index, number) = stranger {
      throw InputError(
        examples.source, "target of example \(index) is not a probability",
        expected: "values in [0, 1] for binary-cross-entropy", got: "\(number)")
    }
  }
}
