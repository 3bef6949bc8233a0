import MFAC

/// Uses the library from another package, without a launcher or on any number of ranks by mpirun:
///
///     consumer loss FILE.npy    minimizes its own loss, and writes the parameters
///     consumer network RUN      trains a network of the library on the embedded digits
@main
enum Consumer {
  static func main() throws {
    BLAS.repairCoreType()
    let world = try Communicator.start()
    let arguments = CommandLine.arguments
    switch (arguments.dropFirst().first, arguments.count) {
    case ("loss", 3): try minimizeLoss(writingTo: arguments[2], on: world)
    case ("network", 3): try trainNetwork(in: arguments[2], on: world)
    default: fatalError("usage: consumer loss FILE.npy | network RUN")
    }
    try world.finish()
  }

  /// Trains logistic regression with M-FAC and prints an upper bound of the loss's distance to its
  /// minimum.
  ///
  /// A loss with a ridge μ/2 ‖w‖² is within ‖∇L‖²/(2μ) of its minimum (Boyd and Vandenberghe,
  /// "Convex Optimization", 2004, section 9.1.2).
  private static func minimizeLoss(writingTo file: String, on world: Communicator) throws {
    let regression = LogisticRegression(rows: 4096, features: 32, ridge: 0.01)
    let (batch, steps) = (128, 512)
    let minimizer = try LossMinimizer<Float>(
      startingAt: [Float](repeating: 0, count: regression.features),
      optimizer: MFACConfiguration.published(window: 64, damping: 1e-3), on: world)
    let size = batch / minimizer.microBatches
    let schedule = LearningRateSchedule(base: 3e-3, shape: .linear, totalSteps: steps)
    for step in 0..<steps {
      _ = try minimizer.step(learningRate: schedule.rate(at: step)) { microBatch, w, gradient in
        let first = (step * batch + microBatch * size) % regression.rows
        return regression.loss(ofRows: first..<first + size, at: w, gradient: &gradient)
      }
    }
    guard world.rank == 0 else { return }
    let (loss, gradient) = regression.lossAndGradient(at: minimizer.parameters)
    let square = gradient.reduce(0) { $0 + Double($1) * Double($1) }
    print("loss \(loss), at most \(square / Double(2 * regression.ridge)) above the minimum")
    try NPYFile.write(
      minimizer.parameters.map(Double.init), shape: [regression.features], to: file)
  }

  /// Trains a small network on the digits, like `swift-mfac-train`.
  private static func trainNetwork(in run: String, on world: Communicator) throws {
    let digits = try DatasetSource.digits.load()
    let network = try NetworkDescription(
      input: digits.inputShape,
      layers: [.flatten, .linear(inputs: 64, outputs: 32), .relu, .linear(inputs: 32, outputs: 10)])
    let batches = try BatchOrder(
      exampleCount: digits.training.count, batchSize: 32, order: .shuffled, seed: 0)
    let steps = 6 * batches.batchesPerEpoch
    var plan = TrainingPlan(
      dataset: digits, network: network,
      optimizer: MFACConfiguration.published(window: 64, damping: 1e-2),
      schedule: LearningRateSchedule(base: 1e-2, shape: .cosine, totalSteps: steps),
      batches: batches, runDirectory: run)
    plan.progress = .none
    let ending = try Trainer<Float>(plan, on: world).run()
    if case .finished(let evaluation) = ending, world.rank == 0 {
      print("loss \(evaluation.loss), accuracy \(evaluation.accuracy!)")
    }
  }
}
