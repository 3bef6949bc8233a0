import Pruning
import Sharding
import Testing

/// Tests the sparsities of stages and their parts.
struct SelectionPlanTests {
  private func plan(
    stages: Int, parts: Int, _ schedule: SparsitySchedule = .geometric
  ) throws -> SelectionPlan {
    let tensor = WeightTensor(name: "w", shape: [10, 10], range: 0..<100, isPrunable: true)
    return SelectionPlan(
      try Selection(of: [tensor], maximumTensorSparsity: 0.8),
      partition: CellPartition(Cells(parameterCount: 100), over: 1), stages: stages, parts: parts,
      schedule: schedule, candidates: ModelCandidates(dampings: [1e-3]))
  }

  @Test("densities fall by equal factors over all parts") func equalFactors() throws {
    let plan = try plan(stages: 3, parts: 2)
    let sparsities = (0..<3).flatMap { plan.sparsities(ofStage: $0, from: 0.2, to: 0.95) }
    #expect(sparsities.count == 6 && sparsities.last == 0.95)
    for (part, sparsity) in sparsities.enumerated() {
      // After part k of 6, (1 − s)⁶ is 0.8⁶⁻ᵏ·0.05ᵏ.
      var (power, expected) = (1.0, 1.0)
      for k in 0..<6 {
        power *= 1 - sparsity
        expected *= k <= part ? 0.05 : 0.8
      }
      #expect(abs(power / expected - 1) < 1e-13)
    }
  }

  /// The masks already have the last sparsity or more.
  @Test("equal first and last sparsities need no steps") func equalSparsities() throws {
    let plan = try plan(stages: 2, parts: 3)
    for first in [0.3, 0.5] {
      #expect(plan.sparsities(ofStage: 0, from: first, to: 0.3) == [0.3, 0.3, 0.3])
    }
  }

  @Test("a list gives the sparsity of each part") func listedSparsities() throws {
    let plan = try plan(stages: 2, parts: 2, .list([0.1, 0.2, 0.4, 0.7]))
    #expect(plan.sparsities(ofStage: 1, from: 0, to: 0.7) == [0.4, 0.7])
  }

  /// The message names the last sparsity, which the user has set.
  @Test("sparsities beyond a tensor's limit are refused") func impossibleSparsity() throws {
    let plan = try plan(stages: 20, parts: 1)
    try plan.check(from: 0, to: 0.8)
    let error = #expect(throws: PruningError.self) { try plan.check(from: 0, to: 0.9) }
    #expect(error?.description.hasPrefix("a sparsity of 0.9 removes 90 weights") == true)
  }
}
