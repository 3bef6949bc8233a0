import Datasets
import LinearAlgebra
import MPI
import Networks
import Optimizers
import RunRecords
import Sharding
import TrainedModels
import Training

/// Runs steps of a problem on this run's ranks, with random data.
struct Workload {
  /// Prepares the data of the next step; not measured.
  let prepare: () -> Void
  /// Runs the next step. Collective.
  let step: () throws -> PhaseClock
  /// Returns the number of products so far with each solved layer's curvature.
  var products: () -> [Int] = { [] }

  /// Builds a problem with a full window. Collective.
  static func make(
    _ problem: Problem, _ options: StepOptions, on world: Communicator
  ) throws -> Workload {
    switch problem.part {
    case .step: try trainingStep(problem, options, on: world)
    case .optimizer: try optimizerStep(problem, options, on: world)
    }
  }

  /// Builds a training step with random examples. The learning rate is 0, so the parameters do not
  /// change between steps.
  private static func trainingStep(
    _ problem: Problem, _ options: StepOptions, on world: Communicator
  ) throws -> Workload {
    let network = try options.network
    let batchSize = problem.batchSize(ranks: world.size)!
    let examples = network.randomExamples(count: batchSize)
    var plan = TrainingPlan(
      dataset: try Dataset(
        name: "random", training: examples, test: network.randomExamples(count: 1), details: ""),
      network: network.description, optimizer: try options.configuration,
      schedule: LearningRateSchedule(base: 0, shape: .constant, totalSteps: .max),
      batches: try BatchOrder(
        exampleCount: batchSize, batchSize: batchSize, order: .sequential, seed: 0),
      runDirectory: "")
    plan.keepsFiles = false
    plan.progress = .none
    plan.microBatches = problem.microBatches(ranks: world.size)!
    if case .values = examples.targets { plan.loss = .meanSquaredError }
    let trainer = try Trainer<Float>(plan, on: world)
    try trainer.step.optimizer.windowed?.fillWindow(scale: 1, on: world)
    let batch = Array(0..<batchSize)[...]
    var index = 0
    func step() throws -> PhaseClock {
      defer { index += 1 }
      return try trainer.step.take(batch, step: index, epoch: 0, learningRate: 0).clock
    }
    let consumer = trainer.step.optimizer.layerStatistics
    return Workload(
      prepare: {}, step: step, products: { consumer?.productCounts ?? [] })
  }

  /// Builds an optimizer step. The gradient's slice is given, and the step updates the slice of the
  /// parameters.
  private static func optimizerStep(
    _ problem: Problem, _ options: StepOptions, on world: Communicator
  ) throws -> Workload {
    let d = problem.parameters(ranks: world.size)
    let partition = CellPartition(Cells(parameterCount: d), over: world.size)
    let slice = partition.slice(of: world.rank)
    let context = OptimizerContext<Float>(
      partition: partition, microBatches: Partition(of: world.size, over: world.size))
    let configuration = try options.configuration
    let memory = MemoryPlan(
      optimizer: try configuration.bytes(context, on: world),
      vectors: 8 * slice.count, activations: 0)
    try memory.check(on: world)
    let optimizer = try configuration.make(context, on: world)
    try optimizer.windowed?.fillWindow(scale: 1, on: world)
    let gradient = Buffer<Float>(count: slice.count)
    let parameters = Buffer<Float>(count: slice.count)
    var random = RandomGradients(rank: world.rank)
    func step() throws -> PhaseClock {
      let clock = PhaseClock(on: world)
      var updated = parameters.all.mutableSpan
      _ = try optimizer.step(
        gradient.all.span, updating: &updated, learningRate: 0, model: nil, on: world, clock: clock
      ) { _ in }
      return clock
    }
    return Workload(prepare: { random.next(gradient.all) }, step: step)
  }
}
