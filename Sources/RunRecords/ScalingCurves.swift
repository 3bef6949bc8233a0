/// A JSON file that records how problems scale; every benchmark run adds to it.
package struct ScalingCurves: Codable, Equatable {
  package struct Curve: Codable, Equatable {
    package let problem: Problem
    package fileprivate(set) var measured: [StepResult] = []
    package fileprivate(set) var predicted: [StepResult] = []
    /// α and β of the prediction.
    package fileprivate(set) var link: Link?
  }

  /// Parameters α and β of the cost of a message, from which predictions are computed.
  package struct Link: Codable, Equatable {
    /// α in seconds.
    package let latency: Double
    /// β in bytes per second.
    package let bandwidth: Double

    package init(latency: Double, bandwidth: Double) {
      self.latency = latency
      self.bandwidth = bandwidth
    }
  }

  package private(set) var curves: [Curve] = []

  package init() {}

  /// Adds a measurement, or replaces the one with the same number of ranks. Returns it with its
  /// efficiency.
  package mutating func add(_ result: StepResult, to problem: Problem) -> StepResult {
    let index = index(of: problem)
    var measured = curves[index].measured.filter { $0.ranks != result.ranks } + [result]
    measured.sort { $0.ranks < $1.ranks }
    curves[index].measured = problem.withEfficiency(measured, base: measured[0])
    return curves[index].measured.first { $0.ranks == result.ranks }!
  }

  /// Sets the prediction of a problem; replaces an earlier one.
  package mutating func set(predicted: [StepResult], of problem: Problem, link: Link) {
    let index = index(of: problem)
    curves[index].predicted = predicted
    curves[index].link = link
  }

  package subscript(_ problem: Problem) -> Curve? { curves.first { $0.problem == problem } }

  private mutating func index(of problem: Problem) -> Int {
    if let index = curves.firstIndex(where: { $0.problem == problem }) { return index }
    curves.append(Curve(problem: problem))
    return curves.count - 1
  }

  /// Returns a name that distinguishes the curve from the others.
  package func name(of problem: Problem) -> String {
    let isOne = Set(curves.map(\.problem.title)).count == 1
    return (isOne ? "" : problem.title + ", ") + problem.scalingTitle
  }
}

extension StepResult {
  /// Speed-up over one rank with the same work, p·efficiency; nil outside a sweep.
  package var speedUp: Double? { efficiency.map { $0 * Double(ranks) } }
}

extension Problem {
  /// Returns the results with their efficiencies.
  ///
  /// - Parameter base: the result that efficiencies are relative to.
  package func withEfficiency(_ results: [StepResult], base: StepResult) -> [StepResult] {
    results.map {
      var result = $0
      result.efficiency = efficiency(
        seconds: $0.seconds, ranks: $0.ranks, baseSeconds: base.seconds, baseRanks: base.ranks)
      return result
    }
  }
}
