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
    guard leaves > 0, width > 0 else { return [Double](repeating: 0, count: width) }

    var own = FixedTree.rows(of: partials.baseAddress!, width: width, leaves: leaves)
    for (row, cell) in cells.enumerated() { own.add(leaf: cell, row) }
    var sent = [Double]()
    sent.reserveCapacity(own.nodes.count * width)
    for (_, row) in own.nodes { sent += partials[row * width..<(row + 1) * width] }

    var gathered = [Double](repeating: 0, count: nodes.joined().count * width)
    try world.allGather(sent, counts: nodes.map { $0.count * width }, into: &gathered)
    return gathered.withUnsafeMutableBufferPointer { gathered in
      var all = FixedTree.rows(of: gathered.baseAddress!, width: width, leaves: leaves)
      for (row, node) in nodes.joined().enumerated() { all.add(node, row) }
      return Array(gathered[all.root * width..<(all.root + 1) * width])
    }
  }
}

extension Communicator {
  /// The sum of one number for each of the things shared out by `shares`, in the tree over them: the
  /// same bits on every rank, at any number of ranks. Collective.
  ///
  /// - Parameter own: the numbers of this rank's things, in their order.
  public func sum(of own: [Double], over shares: Partition) throws -> Double {
    var all = [Double](repeating: 0, count: shares.items)
    try allGather(own, counts: (0..<shares.ranks).map { shares.range(of: $0).count }, into: &all)
    var tree = FixedTree<Double>(leaves: shares.items, join: +)
    for (index, value) in all.enumerated() { tree.add(leaf: index, value) }
    return tree.root
  }
}
