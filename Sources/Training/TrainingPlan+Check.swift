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
    try world.requireSame("fused multiply-add of the CPU", CPU.fusesMultiplyAdd ? "yes" : "none")
    try world.requireSame("the setting", configuration)
    try world.requireSame("the network", "\(network.input)\n\(network.layers)")
    for (name, examples) in [("training", dataset.training), ("test", dataset.test)] {
      var digest = Digest()
      examples.pixels.withUnsafeBytes { digest.add($0) }
      examples.labels.withUnsafeBytes { digest.add($0) }
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
    guard network.inputCount == dataset.training.imageSize else {
      throw DatasetError(
        "the model", "does not take the data's images",
        expected: "an input of \(dataset.training.imageSize) numbers, for images of "
          + dataset.imageShape.map(String.init).joined(separator: "×"),
        got: "one of \(network.inputCount), of shape \(network.input)")
    }
    guard network.outputCount == dataset.classCount else {
      throw DatasetError(
        "the model", "does not tell the data's classes apart",
        expected: "\(dataset.classCount) outputs, one for each class", got: "\(network.outputCount)"
      )
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
    let (training, test, cells) = (dataset.training, dataset.test, partition.cells)
    return """
      data       \(dataset.name): \(training.count) training and \(test.count) test images, \
      \(dataset.imageShape.map(String.init).joined(separator: "×")), \(dataset.classCount) classes
      network    d = \(cells.parameterCount) parameters in \(cells.count) cells of \(cells.size)
      optimizer  \(optimizer), learning rate \(schedule.base)
      batch      \(batches.batchSize) in \(microBatches) micro-batches, \(schedule.totalSteps) steps, \
      \(batches.batchesPerEpoch) to an epoch
      ranks      \(partition.ranks), OpenBLAS core type \(BLAS.coreType), one thread a rank
      memory     \(formatBytes(memory.total)) a rank, of which the optimizer \
      \(formatBytes(memory.optimizer)), beside \
      \(formatBytes(training.pixels.count + test.pixels.count)) of images
      run        \(runDirectory)
      """
  }
}
