import MPI

/// The cost of a step with a number of ranks, measured or predicted.
package struct StepResult: Codable, Equatable {
  package struct PhaseCost: Codable, Equatable {
    package let phase: String
    /// Seconds of the slowest rank, and of the fastest.
    package let seconds: Double
    package let fastestSeconds: Double
    /// What the rank sent that sent most.
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
  /// What the rank sent in the whole step that sent most.
  package let messages: Int
  package let bytes: Int
  /// Examples in a batch; nil for the optimizer alone.
  package let batchSize: Int?
  package let samplesPerSecond: Double?
  /// The work of a rank in a time, as a share of that with the sweep's fewest ranks; nil outside a
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

  /// Seconds of several phases, each of its slowest rank.
  package func seconds(of phases: [Phase]) -> Double {
    phases.reduce(0) { $0 + (self[$1]?.seconds ?? 0) }
  }
}

/// What `swift-mfac-bench step` writes as JSON.
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
