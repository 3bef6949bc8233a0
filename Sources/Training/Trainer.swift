import Datasets
import LinearAlgebra
import MPI
import Networks
import Optimizers
import Sharding

/// Gradients that were not finite in too many steps one after another.
public struct NonFiniteGradients: SharedError, CustomStringConvertible {
  let step: Int
  let skipped: Int

  public var description: String {
    """
    step \(step): the gradient was not finite in \(skipped) steps one after another (a smaller \
    learning rate or a larger damping may help; --on-nonfinite skip goes on)
    """
  }
}

/// Trains a network on all ranks.
public final class Trainer {
  private let plan: TrainingPlan
  private let world: Communicator
  private let network: Network<Float>
  private let parameters: Buffer<Float>
  private let partition: CellPartition
  private let memory: MemoryPlan
  private let step: TrainingStep
  /// On rank 0 alone.
  private let directory: RunDirectory?
  private var progress: Progress

  /// Builds everything that a run needs, and says on rank 0 what is about to run. Collective.
  ///
  /// - Throws: on all ranks together, where the plan does not fit the ranks or the memory, or the
  ///   ranks do not agree on the data, the weights or the settings.
  public init(_ plan: TrainingPlan, on world: Communicator) throws {
    self.plan = plan
    self.world = world
    let batchSize = plan.batches.batchSize
    let microBatches = Partition(of: plan.microBatches, over: world.size)
    let d = plan.network.layout.count
    let partition = CellPartition(Cells(parameterCount: d), over: world.size)
    let memory = try world.agree {
      try Self.check(plan, ranks: world.size)
      return MemoryPlan(
        optimizer: plan.optimizer.bytes(partition: partition, rank: world.rank),
        vectors: 4 * d + ReduceScatter.bytes(of: microBatches, to: partition, rank: world.rank),
        activations: try Network<Float>.bytes(
          for: plan.network, maximumBatch: batchSize / plan.microBatches))
    }
    try memory.check(on: world)

    let network = try Network<Float>(plan.network, maximumBatch: batchSize / plan.microBatches)
    let parameters = Buffer<Float>(count: d)
    try world.agree {
      guard let file = plan.initialWeights else {
        return network.initialize(parameters.all, seed: plan.seed)
      }
      try network.layout.read(from: file, into: parameters.all)
    }
    try Self.requireSameStart(plan, parameters, on: world)

    self.network = network
    self.parameters = parameters
    self.partition = partition
    self.memory = memory
    step = TrainingStep(
      network: network, parameters: parameters,
      optimizer: try plan.optimizer.make(partition: partition, rank: world.rank),
      examples: plan.dataset.training, transform: plan.transform, loss: plan.loss,
      microBatches: microBatches, partition: partition, on: world)
    directory = try world.agree {
      world.rank == 0
        ? try RunDirectory(
          plan.runDirectory,
          configuration: "# OpenBLAS core type \(BLAS.coreType), \(world.size) ranks\n"
            + plan.configuration) : nil
    }
    progress = Progress(
      world.rank == 0 ? plan.progress : .none, totalSteps: plan.schedule.totalSteps,
      samplesPerStep: batchSize, stepsPerEpoch: plan.batches.batchesPerEpoch)
  }

  private static func check(_ plan: TrainingPlan, ranks: Int) throws {
    let (batch, parts) = (plan.batches.batchSize, plan.microBatches)
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
    let (network, data) = (plan.network, plan.dataset)
    guard network.inputCount == data.training.imageSize else {
      throw DatasetError(
        "the model", "does not take the data's images",
        expected: "an input of \(data.training.imageSize) numbers, for images of "
          + data.imageShape.map(String.init).joined(separator: "×"),
        got: "one of \(network.inputCount), of shape \(network.input)")
    }
    guard network.outputCount == data.classCount else {
      throw DatasetError(
        "the model", "does not tell the data's classes apart",
        expected: "\(data.classCount) outputs, one for each class", got: "\(network.outputCount)")
    }
  }

  private static func requireSameStart(
    _ plan: TrainingPlan, _ parameters: Buffer<Float>, on world: Communicator
  ) throws {
    try world.requireSame("the BLAS core type", BLAS.coreType)
    try world.requireSame("the run's settings", plan.configuration)
    for (name, examples) in [("training", plan.dataset.training), ("test", plan.dataset.test)] {
      var digest = Digest()
      examples.pixels.withUnsafeBytes { digest.add($0) }
      examples.labels.withUnsafeBytes { digest.add($0) }
      try world.requireSame("the digest of the \(name) data", digest.text)
    }
    var digest = Digest()
    digest.add(UnsafeRawBufferPointer(parameters.all))
    try world.requireSame("the digest of the initial weights", digest.text)
  }

  /// Trains to the end of the plan. Collective.
  ///
  /// - Returns: the last evaluation, the same on all ranks.
  @discardableResult
  public func run() throws -> Evaluation {
    announce()
    var batches = plan.batches
    var evaluation: Evaluation?
    var skipped = 0
    for index in 0..<plan.schedule.totalSteps {
      let epoch = index / batches.batchesPerEpoch + 1
      let rate = plan.schedule.rate(at: index)
      let record = try step.take(batches.indices(step: index), learningRate: rate)
      try directory?.log(
        RunDirectory.StepLine(
          step: index + 1, epoch: epoch, loss: record.loss.ifFinite,
          gradientNorm: record.outcome.gradientNorm.ifFinite, learningRate: rate,
          skipped: !record.outcome.taken,
          seconds: Dictionary(
            uniqueKeysWithValues: record.clock.seconds.map { ($0.key.rawValue, $0.value) })))
      skipped = record.outcome.taken ? 0 : skipped + 1
      if skipped > 0 { say("step \(index + 1): the gradient is not finite; the step is left out") }
      if skipped == 10, plan.onNonFinite == .stop {
        throw NonFiniteGradients(step: index + 1, skipped: skipped)
      }
      progress.step(
        index + 1, epoch: epoch, loss: record.loss, accuracy: evaluation?.accuracy)
      if (index + 1) % batches.batchesPerEpoch == 0 || index + 1 == plan.schedule.totalSteps {
        evaluation = try evaluate(step: index + 1, epoch: epoch)
      }
    }
    if let directory { say("The trained network is in \(directory.model).") }
    return evaluation!
  }

  /// Evaluates the network, and saves it.
  private func evaluate(step: Int, epoch: Int) throws -> Evaluation {
    let evaluation = try Evaluation(
      of: network, parameters: parameters, on: plan.dataset.test, transform: plan.transform,
      loss: plan.loss, over: world)
    if let directory {
      try network.layout.write(parameters.all, to: directory.model)
      try directory.log(
        RunDirectory.EvaluationLine(
          step: step, epoch: epoch, testLoss: evaluation.loss.ifFinite,
          testAccuracy: evaluation.accuracy, secondsSinceStart: progress.seconds))
    }
    say(
      "epoch \(epoch): test loss \(formatNumber(evaluation.loss, digits: 4)), accuracy "
        + "\(formatNumber(100 * evaluation.accuracy, digits: 2)) % after step \(step), "
        + "\(formatNumber(progress.seconds, digits: 1)) s")
    return evaluation
  }

  private func announce() {
    let data = plan.dataset
    let optimizer =
      switch plan.optimizer {
      case .mfac(let mfac): "M-FAC, m = \(mfac.window) gradients, damping \(mfac.damping)"
      case .sgd(let momentum, _): "SGD, momentum \(momentum)"
      case .adamw: "AdamW"
      }
    say(
      """
      data       \(data.name): \(data.training.count) training and \(data.test.count) test images, \
      \(data.imageShape.map(String.init).joined(separator: "×")), \(data.classCount) classes
      network    d = \(network.parameterCount) parameters in \(partition.cells.count) cells of \(partition.cells.size)
      optimizer  \(optimizer), learning rate \(plan.schedule.base)
      batch      \(plan.batches.batchSize) in \(plan.microBatches) micro-batches, \
      \(plan.schedule.totalSteps) steps, \(plan.batches.batchesPerEpoch) to an epoch
      ranks      \(world.size), OpenBLAS core type \(BLAS.coreType), one thread a rank
      memory     \(formatBytes(memory.total)) a rank, of which the optimizer \
      \(formatBytes(memory.optimizer))
      run        \(plan.runDirectory)
      """)
  }

  private func say(_ line: String) {
    if world.rank == 0, plan.progress != .none { progress.say(line) }
  }
}
