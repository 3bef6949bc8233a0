import Checkpoints
import Formats
import LinearAlgebra
import MPI
import Optimizers

extension Trainer {
  /// Makes the run's directory, on rank 0. Collective.
  static func makeDirectory(
    _ plan: TrainingPlan, _ beginning: TrainingPlan.Beginning, fromStep step: Int,
    on world: Communicator
  ) throws -> RunDirectory? {
    let environment = try Environment(fromStep: step, on: world)
    return try world.agree {
      guard world.rank == 0 else { return nil }
      let directory = try RunDirectory(
        plan, heading: "# OpenBLAS core type \(BLAS.coreType), \(world.size) ranks",
        environment: environment, start: beginning.start, lock: beginning.lock)
      try CheckpointDirectory(ofRun: plan.runDirectory).removeTemporaries()
      return directory
    }
  }

  /// What `metrics.jsonl` has of a step that has been taken; on rank 0 with the spectrum, where it
  /// is due.
  func line(
    of record: StepRecord, epoch: Int, learningRate: Double
  ) -> RunDirectory.StepLine {
    let outcome = record.outcome
    let spectrum = isSpectrumDue ? record.clock.time(.spectrum, makeSpectrum) : nil
    return RunDirectory.StepLine(
      step: position.step, epoch: epoch, loss: record.loss,
      gradientNorm: outcome.gradientNorm,
      directionNorm: outcome.direction?.norm,
      angle: outcome.direction?.angle, learningRate: learningRate, sparsity: sparsity,
      damping: outcome.damping, reductionRatio: record.reductionRatio,
      cgIterations: outcome.equations?.iterations,
      cgResidual: outcome.equations?.residual,
      gramLargest: spectrum?.largest, gramMedian: spectrum?.median,
      gramSmallest: spectrum?.smallest, gramEffectiveRank: spectrum?.effectiveRank,
      skipped: !outcome.wasApplied,
      seconds: Dictionary(
        uniqueKeysWithValues: record.clock.seconds.map { ($0.key.rawValue, $0.value) }))
  }

  /// All ranks have the same Gram matrix: the one that tells of it is enough.
  private var isSpectrumDue: Bool {
    directory != nil && plan.spectrumEvery.map { position.step % $0 == 0 } ?? false
  }

  private func makeSpectrum() -> GramSpectrum? {
    let eigenvalues = state.optimizer.windowed?.spectrum() ?? []
    return eigenvalues.isEmpty ? nil : GramSpectrum(eigenvalues)
  }

  /// A disk that is full ends no run: lines wait for it.
  func log(_ line: some Line) {
    do {
      try directory?.log(line)
      isLogComplete = true
    } catch {
      if isLogComplete { progress.warn("step \(position.step): \(error); its lines wait") }
      isLogComplete = false
    }
  }
}

extension TrainingPlan {
  /// Whether steps tell their direction also where that takes a sum over the ranks.
  var measuresDirection: Bool { tensorboard || spectrumEvery != nil }

  /// Bytes that a spectrum takes.
  var spectrumBytes: Int {
    guard spectrumEvery != nil, let window = optimizer.windowed?.window else { return 0 }
    return SymmetricEigen.bytes(order: window) + 8 * window * window
  }
}
