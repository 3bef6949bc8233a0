import Sharding
import Testing

@Suite struct CellsTests {
  static let counts = [
    0, 1, 63, 64, 127, 128, 4170, 16383, 16384, 105_866, 1_000_003, 1 << 20, 10_000_000,
  ]

  @Test("cells cover the vector once", arguments: counts)
  func cellCover(d: Int) {
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

  @Test("slices cover the vector once", arguments: counts, [1, 2, 3, 5, 8, 300])
  func sliceCover(d: Int, ranks: Int) {
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

  /// Blocks lie within tensors; some tensors are as long as a block, shorter, or empty.
  @Test("cells restart at the given places") func restarts() {
    let cells = Cells(parameterCount: 40, size: 10, restartingAt: [0, 4, 14, 14, 39])
    let ranges = (0..<cells.count).map(cells.range(of:))
    #expect(ranges == [0..<4, 4..<14, 14..<24, 24..<34, 34..<39, 39..<40])
    #expect(cells.leaves == 8 && cells.range(of: 6) == 40..<40 && cells.range(of: 8).isEmpty)
    for ranks in [1, 2, 3, 5, 8, 11] {
      let partition = CellPartition(cells, over: ranks)
      let slices = partition.slices
      #expect(slices.first?.lowerBound == 0 && slices.last?.upperBound == 40)
      #expect(zip(slices, slices.dropFirst()).allSatisfy { $0.upperBound == $1.lowerBound })
      #expect(slices.allSatisfy { $0.isEmpty || ranges.map(\.lowerBound).contains($0.lowerBound) })
    }
    // A restart at 0 only gives the plain cells of that size.
    let plain = Cells(parameterCount: 40, size: 7)
    let same = Cells(parameterCount: 40, size: 7, restartingAt: [0])
    #expect(same.count == plain.count && same.leaves == plain.leaves)
    #expect((0...8).allSatisfy { same.range(of: $0) == plain.range(of: $0) })
  }

  @Test("a power of two of ranks is balanced") func balancedRanks() {
    let partition = CellPartition(Cells(parameterCount: 105_866), over: 8)
    let counts = (0..<8).map { partition.slice(of: $0).count }
    #expect(Double(counts.max()!) <= 1.02 * 105_866 / 8)
  }

  @Test("with more ranks than cells some are empty") func emptyRanks() {
    let partition = CellPartition(Cells(parameterCount: 100), over: 8)
    #expect((0..<8).contains { partition.slice(of: $0).isEmpty })
  }
}
