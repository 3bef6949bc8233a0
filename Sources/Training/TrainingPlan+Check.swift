import Formats
import LinearAlgebra
import MPI
import Optimizers
import Sharding
import TrainedModels

extension TrainingPlan {
  /// Path of the trained network.
  var model: String { "\(runDirectory)/model.safetensors" }

  /// Checks that the plan's parts fit one another and the ranks, and that all ranks have the same
  /// plan. Collective.
  ///
  /// - Returns: a digest of the training data.
  func check(on world: Communicator) throws -> String {
    try world.agree { try check(ranks: world.size) }
    try world.requireSameArithmetic()
    try world.requireSame("the setting", configuration)
    try world.requireSame("the network", "\(network.input)\n\(network.layers)")
    return try dataset.requireSame(on: world)
  }

  private func check(ranks: Int) throws {
    let (batch, parts) = (batches.batchSize, microBatches)
    guard parts > 0, batch % parts == 0 else {
      throw InputError(
        setting: "batch-size", "cannot be cut in equal micro-batches",
        expected: "a multiple of \(setting: "micro-batches"), \(parts)", got: "\(batch)")
    }
    guard ranks <= parts else {
      throw InputError(
        setting: "micro-batches", "there are more ranks than micro-batches",
        expected: "at least \(ranks), one for each rank",
        got: (ranks...max(ranks, batch)).first { batch % $0 == 0 }.map {
          "\(parts) (\($0) would do)"
        } ?? "\(parts)")
    }
    try network.check(against: dataset, loss: loss)
    if let rows = network.fewestNormalized {
      guard batch / parts * rows > 1 else {
        throw InputError(
          setting: "micro-batches", "a batch-norm has no statistics of a single example",
          expected: "at least 2 examples in a micro-batch", got: "1")
      }
    }
    if optimizer.windowed != nil,
      try ruleOfTensor().allSatisfy({ $0.map { !rules[$0].usesMFAC } ?? false })
    {
      throw InputError(
        "groups", "leave no tensor to M-FAC",
        expected: "one without mfac: false, or \(setting: "optimizer", "sgd")")
    }
  }

  /// Steps between two evaluations.
  var evaluationPeriod: Int { evaluateEvery ?? batches.batchesPerEpoch }

  /// Returns the root mean squared error in the data's units; nil if the targets are classes or the
  /// loss is another.
  func rootMeanSquaredError(_ evaluation: Evaluation) -> Double? {
    guard case .values = dataset.targets, loss == .meanSquaredError else { return nil }
    return evaluation.loss.squareRoot() * dataset.targetStd
  }

  /// Returns the quality of the network as text.
  func quality(of evaluation: Evaluation) -> String {
    if let accuracy = evaluation.accuracy {
      return "accuracy \(formatNumber(100 * accuracy, digits: 2)) %"
    }
    return rootMeanSquaredError(evaluation).map {
      "root mean squared error \(formatNumber($0, digits: 4)) in the target's units"
    } ?? "of values"
  }

  /// Returns the summary that is printed before the run.
  func summary(
    _ partition: CellPartition, _ groups: ParameterGroups, _ masks: Masks?, _ memory: MemoryPlan
  ) throws -> String {
    let cells = partition.cells
    let zeros = groups.zeroCount > 0 ? ", \(groups.zeroCount) of them stay zero" : ""
    let followed = try ruleOfTensor()
    let groupLines = rules.enumerated().map { index, rule in
      "\ngroup      \(rule), \(followed.count { $0 == index }) of \(followed.count) tensors"
    }.joined()
    return """
      data       \(dataset.description)
      network    d = \(cells.parameterCount) parameters in \(cells.count) cells of \
      \(cells.size)\(zeros)
      optimizer  \(optimizer.summary(learningRate: schedule.base))\(try kfacSummary())\(groupLines)\
      \(pruningSummary(masks))
      batch      \(batches.batchSize) in \(microBatches) micro-batches, \(schedule.totalSteps) \
      steps, \(batches.batchesPerEpoch) to an epoch
      ranks      \(partition.ranks), OpenBLAS core type \(BLAS.coreType), one thread a rank
      memory     \(formatBytes(memory.total)) a rank, of which the optimizer \
      \(formatBytes(memory.state)), beside \(formatBytes(dataset.byteCount)) of \(dataset.noun)
      run        \(runDirectory)
      """
  }
}
