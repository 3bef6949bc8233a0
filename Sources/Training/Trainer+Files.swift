import Checkpoints
import Formats
import Glibc
import LinearAlgebra
import MPI
import Optimizers
import RunRecords

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
        plan, environment: environment, start: beginning.start, lock: beginning.lock)
      try CheckpointDirectory(ofRun: plan.runDirectory).removeTemporaries()
      return directory
    }
  }

  /// What `metrics.jsonl` has of a step that has been taken; on rank 0 with the spectrum, where it
  /// is due.
  func line(
    of record: StepRecord, epoch: Int, learningRate: Double
  ) -> MetricsLine {
    let outcome = record.outcome
    let spectrum = isSpectrumDue ? record.clock.time(.spectrum, makeSpectrum) : nil
    var line = MetricsLine(step: position.step, epoch: epoch)
    line.loss = record.loss
    line.gradientNorm = outcome.gradientNorm
    (line.directionNorm, line.angle) = (outcome.direction?.norm, outcome.direction?.angle)
    (line.learningRate, line.sparsity) = (learningRate, sparsity)
    (line.damping, line.reductionRatio) = (outcome.damping, record.reductionRatio)
    (line.cgIterations, line.cgResidual) = (
      outcome.equations?.iterations, outcome.equations?.residual
    )
    (line.gramLargest, line.gramMedian) = (spectrum?.largest, spectrum?.median)
    (line.gramSmallest, line.gramEffectiveRank) = (spectrum?.smallest, spectrum?.effectiveRank)
    line.skipped = !outcome.wasApplied
    line.seconds = Dictionary(
      uniqueKeysWithValues: record.clock.seconds.map { ($0.key.rawValue, $0.value) })
    return line
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
  func log(_ line: MetricsLine) {
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

/// What is told of the eigenvalues of the Gram matrix K = GGᵀ of a window's gradients.
package struct GramSpectrum: Sendable, Equatable {
  package let largest: Double
  /// The mean of the two in the middle, where there are two; nil where it is made of rounding.
  package let median: Double?
  /// Nil where it is made of rounding.
  package let smallest: Double?
  /// `exp(−Σ pₖ ln pₖ)`, pₖ the share of an eigenvalue in their sum: from 1, all gradients on one
  /// line, to their number, all orthogonal and of the same length. Nil where all are zero.
  ///
  /// Roy and Vetterli, "The effective rank: a measure of effective dimensionality", 2007.
  package let effectiveRank: Double?

  /// - Parameter eigenvalues: in increasing order, at least one.
  package init(_ eigenvalues: [Double]) {
    let count = eigenvalues.count
    largest = eigenvalues[count - 1]
    // Each carries a rounding of K's norm.
    let rounding = Double(count) * eigenvalues[count - 1].magnitude * .ulpOfOne
    func known(_ value: Double) -> Double? { value > rounding ? value : nil }
    median = known((eigenvalues[(count - 1) / 2] + eigenvalues[count / 2]) / 2)
    smallest = known(eigenvalues[0])
    // K has none below zero but by rounding.
    let positive = eigenvalues.filter { $0 > 0 }
    let sum = positive.reduce(0, +)
    let entropy = positive.reduce(0) { $0 - $1 / sum * log($1 / sum) }
    effectiveRank = sum > 0 ? exp(entropy) : nil
  }
}
