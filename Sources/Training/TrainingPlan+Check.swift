import Datasets
import LinearAlgebra
import MPI
import Optimizers
import Sharding

extension TrainingPlan {
  /// Where the trained network goes.
  var model: String { "\(runDirectory)/model.safetensors" }

  /// Checks that the plan's parts fit one another and the ranks, and that all ranks have the same
  /// plan. Collective.
  ///
  /// - Returns: a digest of the training data.
  func check(on world: Communicator) throws -> String {
    try world.agree { try check(ranks: world.size) }
    try world.requireSame("the OpenBLAS core type", BLAS.coreType)
    try world.requireSame("fused multiply-add of the CPU", CPU.fusesMultiplyAdd ? "yes" : "none")
    try world.requireSame("the setting", configuration)
    try world.requireSame("the network", "\(network.input)\n\(network.layers)")
    let parts: [(String, any Examples)] = [("training", dataset.training), ("test", dataset.test)]
    let digests = try parts.map { name, examples in
      var digest = Digest()
      examples.withBytes { digest.add($0) }
      try world.requireSame("the digest of the \(name) data", digest.text)
      return digest.text
    }
    return digests[0]
  }

  private func check(ranks: Int) throws {
    let (batch, parts) = (batches.batchSize, microBatches)
    guard parts > 0, batch % parts == 0 else {
      throw DatasetError(
        "--batch-size", "cannot be cut in equal micro-batches",
        expected: "a multiple of --micro-batches, \(parts)", got: "\(batch)")
    }
    guard ranks <= parts else {
      throw DatasetError(
        "--micro-batches", "there are more ranks than micro-batches",
        expected: "at least \(ranks), one for each rank", got: "\(parts)")
    }
    // Images may come flat, but not in another order.
    let shape = dataset.inputShape
    guard network.inputCount == dataset.training.inputCount,
      network.input.count != shape.count || network.input == shape
    else {
      throw DatasetError(
        "the model", "does not take the data's \(dataset.noun)",
        expected: "an input of \(dataset.training.inputCount) numbers, for \(dataset.noun) of "
          + "shape \(shape)",
        got: "one of \(network.inputCount), of shape \(network.input)")
    }
    if let rows = network.fewestNormalized {
      guard batch / parts * rows > 1 else {
        throw DatasetError(
          "--micro-batches", "a batch-norm has no statistics of a single example",
          expected: "at least 2 examples in a micro-batch", got: "1")
      }
    }
    if case .mfac = optimizer,
      try ruleOfTensor().allSatisfy({ $0.map { !rules[$0].usesMFAC } ?? false })
    {
      throw DatasetError(
        "groups", "leave no tensor to M-FAC",
        expected: "one without mfac: false, or --optimizer sgd")
    }
    try checkTargets()
    try checkTokens(dataset.training)
    try checkTokens(dataset.test)
  }

  /// Checks that what the network embeds are tokens that it knows.
  private func checkTokens(_ examples: any Examples) throws {
    guard let vocabulary = network.vocabulary else { return }
    let stranger = first(of: examples) { buffer in
      buffer.inputs.first { !($0 >= 0 && $0 < Float(vocabulary) && $0.rounded() == $0) }
    }
    if let (index, number) = stranger {
      throw DatasetError(
        examples.source, "input of example \(index) is no token of the model's vocabulary",
        expected: "whole numbers from 0 to \(vocabulary - 1)", got: "\(number)")
    }
  }

  /// The first example with a number that `find` finds in it.
  private func first(
    of examples: any Examples, _ find: (ExampleBuffer) -> Float?
  ) -> (index: Int, number: Float)? {
    let buffer = ExampleBuffer(examples, capacity: 1)
    for index in 0..<examples.count {
      buffer.load([index], epoch: nil)
      if let number = find(buffer) { return (index, number) }
    }
    return nil
  }

  /// Checks that the network's outputs are what the data's targets and the loss ask for.
  private func checkTargets() throws {
    let targets = dataset.targets
    guard network.positions == targets.positions else {
      throw DatasetError(
        "the model", "is one for other data", expected: "outputs for \(targets)",
        got: "\(network.outputCount) outputs at \(network.positions) positions")
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
      try checkShares(dataset.training)
      try checkShares(dataset.test)
    }
    // A single output tells two classes apart.
    if case .classes(2, _) = targets, network.outputCount == 1 {
      if case .crossEntropy = loss {} else { return }
    }
    guard network.outputCount == targets.outputs else {
      throw DatasetError(
        "the model", "does not have an output for each of the data's targets",
        expected: "\(targets.outputs) outputs, for \(targets)", got: "\(network.outputCount)")
    }
  }

  /// Binary cross-entropy is bounded below only for targets in [0, 1].
  private func checkShares(_ examples: any Examples) throws {
    let stranger = first(of: examples) { buffer in
      guard case .values(let values) = buffer.targets else { return nil }
      return values.first { !(0...1).contains($0) }
    }
    if let (index, number) = stranger {
      throw DatasetError(
        examples.source, "target of example \(index) is no probability",
        expected: "values in [0, 1] for binary-cross-entropy", got: "\(number)")
    }
  }

  /// The root of the mean squared error in the data's units, where that is the loss of values.
  func rootMeanSquaredError(_ evaluation: Evaluation) -> Double? {
    guard case .values = dataset.targets, loss == .meanSquaredError else { return nil }
    return evaluation.loss.squareRoot() * dataset.targetStd
  }

  /// How good the network is, for people.
  func quality(of evaluation: Evaluation) -> String {
    if let accuracy = evaluation.accuracy {
      return "accuracy \(formatNumber(100 * accuracy, digits: 2)) %"
    }
    return rootMeanSquaredError(evaluation).map {
      "root mean squared error \(formatNumber($0, digits: 4)) in the target's units"
    } ?? "of values"
  }

  /// What is about to run, for people.
  func summary(
    _ partition: CellPartition, _ groups: ParameterGroups, _ memory: MemoryPlan
  ) throws -> String {
    let optimizer =
      switch optimizer {
      case .mfac(let mfac):
        "M-FAC, \(mfac)"
      case .sgd(let momentum, _): "SGD, momentum \(momentum)"
      case .adamw: "AdamW"
      }
    let cells = partition.cells
    let zeros = groups.zeroCount > 0 ? ", \(groups.zeroCount) of them stay zero" : ""
    let followed = try ruleOfTensor()
    let groupLines = rules.enumerated().map { index, rule in
      "\ngroup      \(rule), \(followed.count { $0 == index }) of \(followed.count) tensors"
    }.joined()
    return """
      data       \(dataset.description)
      network    d = \(cells.parameterCount) parameters in \(cells.count) cells of \(cells.size)\(zeros)
      optimizer  \(optimizer), learning rate \(schedule.base)\(groupLines)
      batch      \(batches.batchSize) in \(microBatches) micro-batches, \(schedule.totalSteps) steps, \
      \(batches.batchesPerEpoch) to an epoch
      ranks      \(partition.ranks), OpenBLAS core type \(BLAS.coreType), one thread a rank
      memory     \(formatBytes(memory.total)) a rank, of which the optimizer \
      \(formatBytes(memory.state)), beside \(formatBytes(dataset.byteCount)) of \(dataset.noun)
      run        \(runDirectory)
      """
  }
}
