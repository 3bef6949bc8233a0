import Checkpoints
import Formats
import Glibc
import LinearAlgebra
import MPI
import Optimizers
import RunRecords

extension Trainer {
  /// Creates the run's directory on rank 0. Collective.
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

  /// Returns the line of `metrics.jsonl` for a step that has been taken. Rank 0 adds the spectrum
  /// in the steps in which it is due.
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
    line.rateFactor = outcome.rateFactor
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

  /// True if this rank computes the spectrum. All ranks have the same Gram matrix, so the rank that
  /// writes the log is enough.
  private var isSpectrumDue: Bool {
    directory != nil && plan.spectrumEvery.map { position.step % $0 == 0 } ?? false
  }

  private func makeSpectrum() -> GramSpectrum? {
    let eigenvalues = state.optimizer.windowed?.spectrum() ?? []
    return eigenvalues.isEmpty ? nil : GramSpectrum(eigenvalues)
  }

  /// Appends a line to the log. A full disk does not end the run; the lines wait until there is
  /// space.
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
  /// True if steps measure their direction even if that takes a sum over the ranks.
  var measuresDirection: Bool { tensorboard || spectrumEvery != nil }

  /// Bytes that the computation of a spectrum takes.
  var spectrumBytes: Int {
    guard spectrumEvery != nil, let window = optimizer.windowed?.window else { return 0 }
    return SymmetricEigen.bytes(order: window) + 8 * window * window
  }
}

/// Summarizes the eigenvalues of the Gram matrix K = GGᵀ of a window's gradients.
package struct GramSpectrum: Sendable, Equatable {
  package let largest: Double
  /// Median; the mean of the two middle eigenvalues if their number is even. Nil if it is within
  /// rounding error.
  package let median: Double?
  /// Nil if it is within rounding error.
  package let smallest: Double?
  /// `exp(−Σ pₖ ln pₖ)`, with pₖ an eigenvalue's share of the sum of all. It is 1 if all gradients
  /// lie on one line; it is their number if they are orthogonal and equally long. Nil if all
  /// eigenvalues are zero.
  ///
  /// Roy and Vetterli, "The effective rank: a measure of effective dimensionality", 2007.
  package let effectiveRank: Double?

  /// Summarizes eigenvalues.
  ///
  /// - Parameter eigenvalues: in increasing order, at least one.
  package init(_ eigenvalues: [Double]) {
    let count = eigenvalues.count
    largest = eigenvalues[count - 1]
    // Each eigenvalue has a rounding error in proportion to K's norm.
    let rounding = Double(count) * eigenvalues[count - 1].magnitude * .ulpOfOne
    func known(_ value: Double) -> Double? { value > rounding ? value : nil }
    median = known((eigenvalues[(count - 1) / 2] + eigenvalues[count / 2]) / 2)
    smallest = known(eigenvalues[0])
    // K has negative eigenvalues only through rounding.
    let positive = eigenvalues.filter { $0 > 0 }
    let sum = positive.reduce(0, +)
    let entropy = positive.reduce(0) { $0 - $1 / sum * log($1 / sum) }
    effectiveRank = sum > 0 ? exp(entropy) : nil
  }
}
