import MPI
import Optimizers
import Results

extension StepResult {
  /// Takes steps of a workload: medians over them, and what each sends. Collective; the same on all
  /// ranks.
  init(
    of workload: Workload, steps: Int, batchSize: Int?, on world: Communicator
  ) throws {
    var whole: [Double] = []
    var costs: [PhaseClock] = []
    for index in -2..<steps {
      workload.prepare()
      // The ranks begin together.
      _ = try world.allGather(0)
      let start = ContinuousClock.now
      let clock = try workload.step()
      let seconds = (ContinuousClock.now - start) / .seconds(1)
      let slowest = try world.allGather(seconds).max()!
      // Two to warm up.
      guard index >= 0 else { continue }
      whole.append(slowest)
      costs.append(clock)
    }

    func ofRanks(_ value: Int) throws -> [Int] {
      try world.allGather(Double(value)).map { Int($0) }
    }
    var phases: [PhaseCost] = []
    for phase in Phase.allCases {
      let own = costs.compactMap { $0.costs[phase] }
      // All ranks take part in all phases, those without cells or micro-batches in name.
      guard try world.allGather(Double(own.count)).contains(where: { $0 > 0 }) else { continue }
      let sent = own.last?.sent ?? Traffic()
      phases.append(
        PhaseCost(
          phase, seconds: try world.allGather(own.isEmpty ? 0 : own.map(\.seconds).median),
          messages: try ofRanks(sent.messages), bytes: try ofRanks(sent.bytes)))
    }
    let sent = costs.last!.costs.values.reduce(Traffic()) { $0 + $1.sent }
    self.init(
      ranks: world.size, seconds: whole.median, phases: phases,
      messages: try ofRanks(sent.messages).max()!, bytes: try ofRanks(sent.bytes).max()!,
      batchSize: batchSize)
  }
}
