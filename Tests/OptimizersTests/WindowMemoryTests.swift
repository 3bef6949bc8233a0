import LinearAlgebra
import Optimizers
import Sharding
import Testing

@Suite struct WindowMemoryTests {
  /// A window stores no columns of parameters that stay zero.
  @Test("columns that stay zero take no memory") func zeroColumns() {
    let d = 100_003
    let partition = CellPartition(Cells(parameterCount: d), over: 3)
    // Nothing is stored of the first half, and all of the rest: cells have very different lengths.
    let groups = ParameterGroups(
      [ParameterGroup()], runs: [.init(0..<d, group: 0)], staysZero: (0..<d).map { $0 < d / 2 })
    let configuration = MFACConfiguration.published(window: 512)
    var (all, kept) = (0, 0)
    for rank in 0..<3 {
      all += bytes(configuration, partition: partition, rank: rank)
      kept += bytes(configuration, groups: groups, partition: partition, rank: rank)
    }
    let window = 4 * 512 * d
    #expect(abs(all - kept - window / 2) < window / 20, "\(kept) bytes instead of \(all)")
  }

  private func bytes(
    _ configuration: MFACConfiguration, groups: ParameterGroups = ParameterGroups(),
    partition: CellPartition, rank: Int
  ) -> Int {
    MemoryCount.of {
      ShardedMFAC<Float>(configuration, groups: groups, partition: partition, rank: rank)
    }.total
  }
}
