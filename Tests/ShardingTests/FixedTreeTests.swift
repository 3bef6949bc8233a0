import Sharding
import Testing

@Suite struct FixedTreeTests {
  /// Returns a tree of sums as text, to show the order of every addition.
  private func tree(_ leaves: Int) -> FixedTree<String> {
    FixedTree(leaves: leaves) { "(\($0)+\($1))" }
  }

  private func whole(_ leaves: Int) -> String {
    var all = tree(leaves)
    for leaf in 0..<leaves { all.add(leaf: leaf, "\(leaf)") }
    return all.root
  }

  @Test("the tree is balanced and drops missing leaves") func balancedTree() {
    #expect(whole(1) == "0")
    #expect(whole(4) == "((0+1)+(2+3))")
    #expect(whole(5) == "(((0+1)+(2+3))+4)")
    #expect(whole(7) == "(((0+1)+(2+3))+((4+5)+6))")
  }

  @Test("any division among ranks gives the same sum", arguments: [1, 2, 3, 5, 8, 11, 64], 1...12)
  func anyShares(leaves: Int, ranks: Int) {
    let shares = Partition(of: leaves, over: ranks)
    var all = tree(leaves)
    for rank in 0..<ranks {
      var local = tree(leaves)
      for leaf in shares.range(of: rank) { local.add(leaf: leaf, "\(leaf)") }
      #expect(local.nodes.map(\.node) == FixedTree.cover(shares.range(of: rank), of: leaves))
      for (node, value) in local.nodes { all.add(node, value) }
    }
    #expect(all.root == whole(leaves))
  }

  @Test("each of a power of two of ranks sends one node", arguments: [1, 2, 4, 8])
  func oneNodeEach(ranks: Int) {
    // 255 cells of 256: the last rank's share is not full.
    let partition = CellPartition(Cells(parameterCount: 105_866), over: ranks)
    #expect(partition.cells.count == 255)
    for rank in 0..<ranks {
      #expect(FixedTree.cover(partition.cells(of: rank), of: partition.cells.count).count == 1)
    }
  }
}
