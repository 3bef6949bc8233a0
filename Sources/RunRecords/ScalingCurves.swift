/// A JSON file of how problems scale, to which runs add.
package struct ScalingCurves: Codable, Equatable {
  package struct Curve: Codable, Equatable {
    package let problem: Problem
    package fileprivate(set) var measured: [StepResult] = []
    package fileprivate(set) var predicted: [StepResult] = []
    /// α and β of the prediction.
    package fileprivate(set) var link: Link?
  }

  /// The cost of a message.
  package struct Link: Codable, Equatable {
    /// α, seconds.
    package let latency: Double
    /// β, bytes a second.
    package let bandwidth: Double

    package init(latency: Double, bandwidth: Double) {
      self.latency = latency
      self.bandwidth = bandwidth
    }
  }

  package private(set) var curves: [Curve] = []

  package init() {}

  /// Adds what was measured with a number of ranks, or replaces it; returns it with its efficiency.
  package mutating func add(_ result: StepResult, to problem: Problem) -> StepResult {
    let index = index(of: problem)
    var measured = curves[index].measured.filter { $0.ranks != result.ranks } + [result]
    measured.sort { $0.ranks < $1.ranks }
    curves[index].measured = problem.withEfficiency(measured, base: measured[0])
    return curves[index].measured.first { $0.ranks == result.ranks }!
  }

  /// Replaces the earlier prediction.
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

  /// The name of a curve beside the others.
  package func name(of problem: Problem) -> String {
    let isOne = Set(curves.map(\.problem.title)).count == 1
    return (isOne ? "" : problem.title + ", ") + problem.scalingTitle
  }
}

extension StepResult {
  /// The speed-up over one rank with the same work, p·efficiency; nil outside a sweep.
  package var speedUp: Double? { efficiency.map { $0 * Double(ranks) } }
}

extension Problem {
  /// - Parameter base: The result that efficiencies are relative to.
  package func withEfficiency(_ results: [StepResult], base: StepResult) -> [StepResult] {
    results.map {
      var result = $0
      result.efficiency = efficiency(
        seconds: $0.seconds, ranks: $0.ranks, baseSeconds: base.seconds, baseRanks: base.ranks)
      return result
    }
  }
}
