import MPI

/// Records the measured or predicted cost of a step at one number of ranks.
package struct StepResult: Codable, Equatable {
  package struct PhaseCost: Codable, Equatable {
    package let phase: String
    /// Seconds of the slowest rank; `fastestSeconds` are those of the fastest.
    package let seconds: Double
    package let fastestSeconds: Double
    /// Largest number of messages that any rank sent; `bytes` is the largest number of bytes.
    package let messages: Int
    package let bytes: Int

    package init(_ phase: Phase, seconds: [Double], messages: [Int], bytes: [Int]) {
      self.phase = phase.rawValue
      self.seconds = seconds.max()!
      fastestSeconds = seconds.min()!
      self.messages = messages.max()!
      self.bytes = bytes.max()!
    }
  }

  package let ranks: Int
  package let seconds: Double
  package let phases: [PhaseCost]
  /// Largest number of messages that any rank sent in the step; `bytes` is the largest number of
  /// bytes.
  package let messages: Int
  package let bytes: Int
  /// Examples in a batch; nil for the optimizer alone.
  package let batchSize: Int?
  package let samplesPerSecond: Double?
  /// Work per rank and second, relative to the sweep's smallest number of ranks; nil outside a
  /// sweep.
  package var efficiency: Double?

  package init(
    ranks: Int, seconds: Double, phases: [PhaseCost], messages: Int, bytes: Int, batchSize: Int?
  ) {
    self.ranks = ranks
    self.seconds = seconds
    self.phases = phases
    self.messages = messages
    self.bytes = bytes
    self.batchSize = batchSize
    samplesPerSecond = batchSize.map { Double($0) / seconds }
  }

  package subscript(_ phase: Phase) -> PhaseCost? { phases.first { $0.phase == phase.rawValue } }

  /// Returns the sum of the seconds of several phases, each on its slowest rank.
  package func seconds(of phases: [Phase]) -> Double {
    phases.reduce(0) { $0 + (self[$1]?.seconds ?? 0) }
  }
}

/// The JSON that `swift-mfac-bench step` writes; holds the problem and its result.
package struct StepReport: Codable {
  package let problem: Problem
  package let result: StepResult

  package init(problem: Problem, result: StepResult) {
    self.problem = problem
    self.result = result
  }

  package var title: String {
    problem.title + ", \(result.ranks) rank\(result.ranks == 1 ? "" : "s")"
  }
}

extension Phase {
  package static let computingGradients: [Phase] = [.data, .gradient, .factors, .quadratic]
  package static let optimizing: [Phase] = [.gramRow, .solve, .inverse, .direction, .update]
  /// Phases in which ranks wait for one another.
  package static let exchanging: [Phase] = [.loss, .reduceScatter, .sum, .exchange, .allGather]
}
