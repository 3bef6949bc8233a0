import MPI
import Sharding
import Testing

@Suite struct TrafficTests {
  /// Up to eight ranks send 2·d·4·(p−1)/p bytes in a step, gradients to their owners and parameters
  /// back. More ranks climb, and send up to a thirty-second more than 2·d·4 in at most 4·log₂ p
  /// messages. A row of the Gram matrix takes O(m log p) bytes.
  @Test("a step sends no more than its bound", arguments: [1, 2, 4, 8, 64, 256])
  func stepTraffic(ranks p: Int) {
    let (d, m) = (1 << 20, 300)
    let partition = CellPartition(Cells(parameterCount: d), over: p)
    let shares = Partition(of: 512, over: p)
    let reduce = ReduceScatter<Float>.traffic(of: shares, to: partition.slices)
    let gather = AllGather<Float>.traffic(partition.slices)
    let sum = TreeSum.traffic(over: partition, width: m)
    let levels = p.trailingZeroBitCount
    for rank in 0..<p {
      let vectors = reduce[rank] + gather[rank]
      if p <= 8 {
        #expect(vectors.bytes == 2 * d * 4 / p * (p - 1))
      } else {
        #expect(vectors.bytes <= 2 * d * 4 / 32 * 33 && vectors.messages <= 4 * levels)
      }
      #expect(sum[rank] == Traffic(messages: levels, bytes: 8 * m * levels))
    }
  }

  /// Ranks without cells forward partial sums of the tree, and nothing of the vector.
  @Test("ranks without cells send little") func emptyRanks() {
    let partition = CellPartition(Cells(parameterCount: 40), over: 8)
    #expect(partition.cells.count == 1)
    let gather = AllGather<Float>.traffic(partition.slices)
    #expect(gather.map(\.bytes).filter { $0 > 0 } == [7 * 160])
    let messages = TreeSum.traffic(over: partition, width: 3).map(\.messages)
    // The owner sends on each level; each partner sends on the levels above the one on which it has
    // received the sum.
    #expect(messages.max() == 3 && messages.reduce(0, +) == 1 + 2 + 4)
  }
}
