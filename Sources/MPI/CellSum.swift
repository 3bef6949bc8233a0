import Sharding

/// Sums vectors over all cells of all ranks, in the tree over the cells: the same bits on every rank,
/// at any number of ranks.
///
/// What crosses the network is one vector for each node of a rank: one where the ranks are a power
/// of two, at most two for each level of the tree otherwise.
public struct CellSum {
  private let cells: Range<Int>
  private let leaves: Int
  private let nodes: [[TreeNode]]

  public init(_ partition: CellPartition, rank: Int) {
    cells = partition.cells(of: rank)
    leaves = partition.cells.count
    nodes = (0..<partition.ranks).map {
      FixedTree.cover(partition.cells(of: $0), of: partition.cells.count)
    }
  }

  /// Σ over all cells of `partials`. Collective.
  ///
  /// - Parameters:
  ///   - partials: one vector for each cell of this rank, shape [cells of this rank, width];
  ///     overwritten.
  ///   - width: numbers in a vector.
  /// - Returns: the sum, shape [width].
  public func total(
    of partials: UnsafeMutableBufferPointer<Double>, width: Int, on world: Communicator
  ) throws -> [Double] {
    precondition(
      partials.count == cells.count * width,
      "\(partials.count) partial sums for \(cells.count) cells of \(width)")
    guard leaves > 0 else { return [Double](repeating: 0, count: width) }

    var own = tree(over: partials, width: width)
    for (offset, cell) in cells.enumerated() { own.add(leaf: cell, offset) }
    var sent = [Double]()
    sent.reserveCapacity(own.nodes.count * width)
    for (_, offset) in own.nodes { sent += partials[offset * width..<(offset + 1) * width] }

    var gathered = [Double](repeating: 0, count: nodes.joined().count * width)
    try world.allGather(sent, counts: nodes.map { $0.count * width }, into: &gathered)
    return gathered.withUnsafeMutableBufferPointer { gathered in
      var all = tree(over: gathered, width: width)
      for (offset, node) in nodes.joined().enumerated() { all.add(node, offset) }
      return Array(gathered[all.root * width..<(all.root + 1) * width])
    }
  }

  /// A tree whose values are rows of `storage` [.., width].
  private func tree(over storage: UnsafeMutableBufferPointer<Double>, width: Int) -> FixedTree<Int>
  {
    FixedTree(leaves: leaves) { left, right in
      for i in 0..<width { storage[left * width + i] += storage[right * width + i] }
      return left
    }
  }
}
