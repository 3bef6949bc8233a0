import Sharding
import Testing

@Suite struct CellsTests {
  static let counts = [
    0, 1, 63, 64, 127, 128, 4170, 16383, 16384, 105_866, 1_000_003, 1 << 20, 10_000_000,
  ]

  @Test(arguments: counts)
  func cellsCoverTheVectorOnce(d: Int) {
    let cells = Cells(parameterCount: d)
    var next = 0
    for cell in 0..<cells.count {
      let range = cells.range(of: cell)
      #expect(range.lowerBound == next && !range.isEmpty)
      next = range.upperBound
    }
    #expect(next == d)
    #expect(cells.range(of: cells.count).isEmpty)
    #expect(cells.count <= cells.leaves && cells.leaves.nonzeroBitCount == 1)
    #expect(cells.size % 16 == 0 && cells.size <= 4096)
  }

  @Test(arguments: counts, [1, 2, 3, 5, 8, 300])
  func slicesCoverTheVectorOnce(d: Int, ranks: Int) {
    let partition = CellPartition(Cells(parameterCount: d), over: ranks)
    var next = 0
    for rank in 0..<ranks {
      let slice = partition.slice(of: rank)
      #expect(slice.lowerBound == next)
      next = slice.upperBound
      let cells = partition.cellsInSlice(of: rank)
      #expect(cells.count == partition.cells(of: rank).count)
      #expect(cells.reduce(0) { $0 + $1.count } == slice.count)
      #expect((cells.first?.lowerBound ?? 0) == 0)
    }
    #expect(next == d)
  }

  @Test func aPowerOfTwoOfRanksIsBalanced() {
    let partition = CellPartition(Cells(parameterCount: 105_866), over: 8)
    let counts = (0..<8).map { partition.slice(of: $0).count }
    #expect(Double(counts.max()!) <= 1.02 * 105_866 / 8)
  }

  @Test func moreRanksThanCellsLeaveSomeWithout() {
    let partition = CellPartition(Cells(parameterCount: 100), over: 8)
    #expect((0..<8).contains { partition.slice(of: $0).isEmpty })
  }
}
