import Datasets
import MPI
import Networks

extension Dataset {
  /// Checks that all ranks have the same data. Collective.
  ///
  /// - Returns: a digest of the training data.
  @discardableResult
  package func requireSame(on world: Communicator) throws -> String {
    let parts: [(String, any Examples)] = [("training", training), ("test", test)]
    let digests = try parts.map { name, examples in
      var digest = Digest()
      examples.withBytes { digest.add($0) }
      try world.requireSame("the digest of the \(name) data", digest.text)
      return digest.text
    }
    return digests[0]
  }
}

extension NetworkDescription {
  /// Checks that the network takes the data's inputs, and that its outputs are what their targets and
  /// the loss ask for.
  ///
  /// - Throws: `DatasetError` naming what does not fit.
  package func check(fits dataset: Dataset, loss: Loss) throws(DatasetError) {
    try checkInput(of: dataset)
    try checkOutput(for: dataset, loss: loss)
    try checkTokens(of: dataset)
  }

  private func checkInput(of dataset: Dataset) throws(DatasetError) {
    // Images may come flat, but not in another order.
    let shape = dataset.inputShape
    guard inputCount == dataset.training.inputCount,
      input.count != shape.count || input == shape
    else {
      throw DatasetError(
        "the model", "does not take the data's \(dataset.noun)",
        expected: "an input of \(dataset.training.inputCount) numbers, for \(dataset.noun) of "
          + "shape \(shape)",
        got: "one of \(inputCount), of shape \(input)")
    }
  }

  /// Checks that what the network embeds are tokens that it knows.
  private func checkTokens(of dataset: Dataset) throws(DatasetError) {
    guard let vocabulary else { return }
    for examples in [dataset.training, dataset.test] {
      let stranger = examples.first { buffer in
        buffer.inputs.first { !($0 >= 0 && $0 < Float(vocabulary) && $0.rounded() == $0) }
      }
      if let (index, number) = stranger {
        throw DatasetError(
          examples.source, "input of example \(index) is no token of the model's vocabulary",
          expected: "whole numbers from 0 to \(vocabulary - 1)", got: "\(number)")
      }
    }
  }

  /// Checks that the network's outputs are what the data's targets and the loss ask for.
  private func checkOutput(for dataset: Dataset, loss: Loss) throws(DatasetError) {
    let targets = dataset.targets
    guard positions == targets.positions else {
      throw DatasetError(
        "the model", "is one for other data", expected: "outputs for \(targets)",
        got: "\(outputCount) outputs at \(positions) positions")
    }
    if case .values = targets, case .crossEntropy = loss {
      throw DatasetError(
        "--loss", "cross-entropy is for classes", expected: "mean-squared-error for \(targets)")
    }
    if case .values = targets, loss == .binaryCrossEntropy {
      guard dataset.columns == nil else {
        throw DatasetError(
          "--loss", "binary-cross-entropy is for probabilities, not for a standardised column",
          expected: "mean-squared-error, or --task classification")
      }
      try dataset.training.checkShares()
      try dataset.test.checkShares()
    }
    // A single output tells two classes apart.
    if case .classes(2, _) = targets, outputCount == 1 {
      if case .crossEntropy = loss {} else { return }
    }
    guard outputCount == targets.outputs else {
      throw DatasetError(
        "the model", "does not have an output for each of the data's targets",
        expected: "\(targets.outputs) outputs, for \(targets)", got: "\(outputCount)")
    }
  }
}

extension Examples {
  /// Binary cross-entropy is bounded below only for targets in [0, 1].
  fileprivate func checkShares() throws(DatasetError) {
    let stranger = first { buffer in
      guard case .values(let values) = buffer.targets else { return nil }
      return values.first { !(0...1).contains($0) }
    }
    if let (index, number) = stranger {
      throw DatasetError(
        source, "target of example \(index) is no probability",
        expected: "values in [0, 1] for binary-cross-entropy", got: "\(number)")
    }
  }

  /// The first example with a number that `find` finds in it.
  fileprivate func first(_ find: (ExampleBuffer) -> Float?) -> (index: Int, number: Float)? {
    let buffer = ExampleBuffer(self, capacity: 1)
    for index in 0..<count {
      buffer.load([index], epoch: nil)
      if let number = find(buffer) { return (index, number) }
    }
    return nil
  }
}
