import Datasets
import LinearAlgebra
import MPI
import Sharding

extension TrainingPlan {
  /// Where the trained network goes.
  var model: String { "\(runDirectory)/model.safetensors" }

  /// Checks that the plan's parts fit one another and the ranks, and that all ranks have the same
  /// plan. Collective.
  func check(on world: Communicator) throws {
    try world.agree { try check(ranks: world.size) }
    try world.requireSame("the OpenBLAS core type", BLAS.coreType)
    try world.requireSame("the setting", configuration)
    try world.requireSame("the network", "\(network.input)\n\(network.layers)")
    let parts: [(String, any Examples)] = [("training", dataset.training), ("test", dataset.test)]
    for (name, examples) in parts {
      var digest = Digest()
      examples.withBytes { digest.add($0) }
      try world.requireSame("the digest of the \(name) data", digest.text)
    }
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
    let inputCount = dataset.training.inputCount
    guard network.inputCount == inputCount else {
      throw DatasetError(
        "the model", "does not take the data's \(dataset.noun)",
        expected: "an input of \(inputCount) numbers, for \(dataset.noun) of shape "
          + dataset.inputShape.map(String.init).joined(separator: "×"),
        got: "one of \(network.inputCount), of shape \(network.input)")
    }
    guard case .classes(let classes, 1) = dataset.targets else {
      throw DatasetError(
        "the data", "cannot be trained on yet", expected: "one class for each example",
        got: "\(dataset.targets)")
    }
    guard network.outputCount == classes else {
      throw DatasetError(
        "the model", "does not tell the data's classes apart",
        expected: "\(classes) outputs, one for each class", got: "\(network.outputCount)")
    }
  }

  /// What is about to run, for people.
  func summary(_ partition: CellPartition, _ memory: MemoryPlan) -> String {
    let optimizer =
      switch optimizer {
      case .mfac(let mfac): "M-FAC, m = \(mfac.window) gradients, damping \(mfac.damping)"
      case .sgd(let momentum, _): "SGD, momentum \(momentum)"
      case .adamw: "AdamW"
      }
    let cells = partition.cells
    return """
      data       \(dataset.description)
      network    d = \(cells.parameterCount) parameters in \(cells.count) cells of \(cells.size)
      optimizer  \(optimizer), learning rate \(schedule.base)
      batch      \(batches.batchSize) in \(microBatches) micro-batches, \(schedule.totalSteps) steps, \
      \(batches.batchesPerEpoch) to an epoch
      ranks      \(partition.ranks), OpenBLAS core type \(BLAS.coreType), one thread a rank
      memory     \(formatBytes(memory.total)) a rank, of which the optimizer \
      \(formatBytes(memory.optimizer)), beside \(formatBytes(dataset.byteCount)) of \(dataset.noun)
      run        \(runDirectory)
      """
  }
}
