import Foundation
import Pruning
import Testing
import Training

/// Compares schedules of pruning and of the learning rate with their formulas.
struct PruningPlanTests {
  @Test("the cubic schedule follows its formula", arguments: [(0.0, 0.9), (0.5, 0.95), (0.3, 0.3)])
  func cubic(first: Double, last: Double) {
    let n = 7
    let s = (0..<n).map {
      SparsitySchedule.cubic.sparsity(ofEvent: $0, of: n, from: first, to: last)
    }
    for (event, s) in s.enumerated() {
      // (s − s_n)/(s₀ − s_n) is the cube of the remaining share of events.
      let left = 1 - Double(event + 1) / Double(n)
      #expect(abs((last - s) - (last - first) * left * left * left) < 1e-15)
    }
    #expect(s.last == last && zip(s, s.dropFirst()).allSatisfy(<=))
  }

  @Test("the geometric schedule follows its formula", arguments: [(0.0, 0.9), (0.5, 0.95)])
  func geometric(first: Double, last: Double) {
    let n = 5
    var density = 1 - first
    let factor = exp(log((1 - last) / (1 - first)) / Double(n))
    for event in 0..<n {
      density *= factor
      let s = SparsitySchedule.geometric.sparsity(ofEvent: event, of: n, from: first, to: last)
      #expect(abs(1 - s - density) < 1e-14)
      if event == n - 1 { #expect(s == last) }
    }
  }

  @Test("a list gives the sparsity of each event") func list() {
    let list = SparsitySchedule.list([0.25, 0.5, 0.875])
    #expect(
      (0..<3).map { list.sparsity(ofEvent: $0, of: 3, from: 0, to: 0.875) } == [0.25, 0.5, 0.875])
  }

  @Test("pruning happens at the planned steps") func times() {
    let times = PruningPlan.Times(begin: 5, every: 3, count: 4)
    #expect(times.steps == [5, 8, 11, 14])
    let events = (0..<30).map(times.event(after:))
    #expect(
      events.enumerated().compactMap { $1 == nil ? nil : $0 } == times.steps
        && events.compactMap(\.self) == [0, 1, 2, 3])
  }

  @Test("the share of regrowth follows a cosine or stays constant") func regrowthShares() {
    var regrowth = PruningPlan.Regrowth(criterion: .gradient, share: 0.4)
    #expect(
      (0..<4).map { regrowth.share(ofEvent: $0, of: 4) }.map { ($0 * 1e12).rounded() }
        == [0.4, 0.2 + 0.2 * 0.5.squareRoot(), 0.2, 0.2 - 0.2 * 0.5.squareRoot()]
        .map { ($0 * 1e12).rounded() })
    regrowth.decays = false
    #expect((0..<4).allSatisfy { regrowth.share(ofEvent: $0, of: 4) == 0.4 })
  }

  /// Each cycle has the rates of a run of its length.
  @Test(
    "each cycle has the rates of a run of its length",
    arguments: [
      LearningRateSchedule.Shape.cosine, .linear, .step(every: 4, factor: 0.5), .constant,
    ])
  func cycles(shape: LearningRateSchedule.Shape) {
    func schedule(_ steps: Int, warmUp: Int = 0) -> LearningRateSchedule {
      LearningRateSchedule(base: 0.3, shape: shape, warmUp: warmUp, totalSteps: steps)
    }
    var cyclic = schedule(40, warmUp: 3)
    cyclic.restarts = [10, 25]
    let cycles = [(0, schedule(10, warmUp: 3)), (10, schedule(15)), (25, schedule(15))]
    for (start, cycle) in cycles {
      for t in 0..<cycle.totalSteps { #expect(cyclic.rate(at: start + t) == cycle.rate(at: t)) }
    }
    #expect(cyclic.rate(at: 10) == 0.3 && cyclic.rate(at: 25) == 0.3)
  }

  @Test("the linear schedule follows its formula") func linear() {
    let schedule = LearningRateSchedule(base: 0.5, shape: .linear, warmUp: 2, totalSteps: 10)
    #expect(
      (0..<10).map { (schedule.rate(at: $0) * 16).rounded() }
        == [4, 8, 8, 7, 6, 5, 4, 3, 2, 1])
    #expect(schedule.rate(at: 6) == 0.25)
  }
}
