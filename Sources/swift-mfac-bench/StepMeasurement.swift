import MPI
import Optimizers
import RunRecords

/// Holds the measured steps of a workload.
struct StepMeasurement {
  let result: StepResult
  let steps: Int
  /// Number of products with each solved layer's curvature, in these steps.
  let products: [Int]

  /// Products per step, of the layer with the fewest and of the layer with the most.
  var productsOfLayers: (least: Double, most: Double)? {
    guard let least = products.min(), let most = products.max() else { return nil }
    return (Double(least) / Double(steps), Double(most) / Double(steps))
  }

  /// Measures steps: the median seconds, and the mean traffic. If steps differ within a period, the
  /// result is the mean over its places of the medians at each place. Collective; the same on all
  /// ranks.
  init(
    of workload: Workload, steps: Int, period: Int = 1, batchSize: Int?, on world: Communicator
  ) throws {
    var whole: [Double] = []
    var costs: [PhaseClock] = []
    let steps = (steps + period - 1) / period * period
    var productsBefore: [Int] = []
    // The warm-up takes a whole period, because the first steps of a period do most of the work.
    for index in -max(2, period)..<steps {
      if index == 0 { productsBefore = workload.products() }
      workload.prepare()
      // This exchange makes the ranks begin together.
      _ = try world.allGather(0)
      let start = ContinuousClock.now
      let clock = try workload.step()
      let seconds = (ContinuousClock.now - start) / .seconds(1)
      let slowest = try world.allGather(seconds).max()!
      guard index >= 0 else { continue }
      whole.append(slowest)
      costs.append(clock)
    }

    func ofRanks(_ value: Int) throws -> [Int] {
      try world.allGather(Double(value)).map { Int($0) }
    }
    func typical(_ seconds: [Double]) -> Double {
      (0..<period).reduce(0) { sum, place in
        sum + stride(from: place, to: seconds.count, by: period).map { seconds[$0] }.median
      } / Double(period)
    }
    func sent(_ traffic: (PhaseClock) -> Traffic) -> Traffic {
      costs.reduce(Traffic()) { $0 + traffic($1) }.mean(over: steps)
    }
    var phases: [StepResult.PhaseCost] = []
    for phase in Phase.allCases {
      let local = costs.map { $0.costs[phase] }
      // A phase may be empty on a rank without cells or micro-batches, but all ranks must take
      // part.
      let calls = local.count { $0 != nil }
      guard try world.allGather(Double(calls)).contains(where: { $0 > 0 }) else { continue }
      let sent = sent { $0.costs[phase]?.sent ?? Traffic() }
      phases.append(
        StepResult.PhaseCost(
          phase, seconds: try world.allGather(typical(local.map { $0?.seconds ?? 0 })),
          messages: try ofRanks(sent.messages), bytes: try ofRanks(sent.bytes)))
    }
    // The whole is the sum of the rounded phases, so that the lines of the table add up.
    let sent = Phase.allCases.reduce(Traffic()) { sum, phase in
      sum + sent { $0.costs[phase]?.sent ?? Traffic() }
    }
    self.steps = steps
    products = zip(workload.products(), productsBefore).map(-)
    result = StepResult(
      ranks: world.size, seconds: typical(whole), phases: phases,
      messages: try ofRanks(sent.messages).max()!, bytes: try ofRanks(sent.bytes).max()!,
      batchSize: batchSize)
  }
}
