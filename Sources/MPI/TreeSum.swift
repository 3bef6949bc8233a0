import COpenMPI
import Sharding

/// Sums vectors, one per leaf of a tree whose leaves are divided among the ranks. Every rank
/// obtains the same bits, at any number of ranks.
///
/// Ranks climb the tree in pairs if p is a power of two and each has one node of the tree, as with
/// cells. Each rank then sends one vector per level to another partner, log₂ p in all. Otherwise
/// each rank sends its nodes to all others, at most two for each level of the tree.
package struct TreeSum {
  /// The leaves of this rank.
  package let share: Range<Int>
  private let leaves: Int
  private let nodes: [[TreeNode]]
  private let rounds: [Round]?

  /// Creates a sum over `leaves` leaves.
  ///
  /// - Parameters:
  ///   - shares: each rank's leaves; the ranges are consecutive and cover 0 to `leaves`.
  private init(of leaves: Int, shares: [Range<Int>], rank: Int) {
    self.leaves = leaves
    share = shares[rank]
    nodes = shares.map { FixedTree.cover($0, of: leaves) }
    rounds = Self.levels(of: leaves, shares: shares)?.map {
      Round(within: $0, ranks: shares.count, rank: rank)
    }
  }

  /// Creates a sum over the items of a partition, such as micro-batches; `rank` is this rank.
  package init(_ shares: Partition, rank: Int) {
    self.init(
      of: shares.items, shares: (0..<shares.ranks).map(shares.range(of:)), rank: rank)
  }

  /// Creates a sum over all cells.
  package init(_ partition: CellPartition, rank: Int) {
    self.init(
      of: partition.cells.count, shares: (0..<partition.ranks).map(partition.cells(of:)),
      rank: rank)
  }

  /// Returns Σ over all leaves of `partials`. Collective.
  ///
  /// - Parameters:
  ///   - partials: one vector for each leaf of this rank, shape [leaves of this rank, width];
  ///     overwritten.
  ///   - width: numbers in a vector.
  /// - Returns: the sum, shape [width].
  package func total(
    of partials: UnsafeMutableBufferPointer<Double>, width: Int, on world: Communicator
  ) throws -> [Double] {
    precondition(
      partials.count == share.count * width,
      "\(partials.count) partial sums for \(share.count) leaves of \(width)")
    try world.begin("sum", size: leaves * width)
    var local = [Double]()
    if leaves > 0, let storage = partials.baseAddress, !share.isEmpty {
      var tree = FixedTree.rows(of: storage, width: width, leaves: leaves)
      for (row, leaf) in share.enumerated() { tree.add(leaf: leaf, row) }
      for (_, row) in tree.nodes { local += partials[row * width..<(row + 1) * width] }
    }
    return try total(ofNodes: local, width: width, on: world)
  }

  /// Returns Σ over all leaves of vectors that are computed one after another, for vectors that
  /// would not fit in memory together. Collective.
  ///
  /// - Parameters:
  ///   - width: numbers in a vector.
  ///   - make: writes the vector of a leaf of this rank, given the leaf's index; shape [width].
  /// - Returns: the sum, shape [width].
  package func total(
    width: Int, on world: Communicator,
    make: (Int, UnsafeMutableBufferPointer<Double>) throws -> Void
  ) throws -> [Double] {
    try world.begin("sum", size: leaves * width)
    // `idle` holds vectors for reuse: at most two wait on each level of the tree.
    var idle: [UnsafeMutableBufferPointer<Double>] = []
    defer { for vector in idle { vector.deallocate() } }
    var joined: [UnsafeMutableBufferPointer<Double>] = []
    var tree = FixedTree<UnsafeMutableBufferPointer<Double>>(leaves: leaves) { left, right in
      for i in 0..<width { left[i] += right[i] }
      joined.append(right)
      return left
    }
    defer { for (_, vector) in tree.nodes { vector.deallocate() } }
    for leaf in share {
      let vector = idle.popLast() ?? .allocate(capacity: width)
      do { try make(leaf, vector) } catch {
        vector.deallocate()
        throw error
      }
      tree.add(leaf: leaf, vector)
      idle += joined
      joined = []
    }
    return try total(ofNodes: tree.nodes.flatMap { Array($0.value) }, width: width, on: world)
  }

  /// Joins the numbers of all leaves in the same tree, with `join` in place of the sum. Leaves may
  /// have different lengths and are computed one after another. Collective.
  ///
  /// - Parameters:
  ///   - leaf: returns the numbers of a leaf of this rank, given the leaf's index.
  ///   - join: joins the numbers of a left and a right part.
  /// - Returns: the numbers of all leaves; empty if there are no leaves.
  package func fold(
    on world: Communicator, leaf: (Int) throws -> [Double],
    join: @escaping ([Double], [Double]) -> [Double]
  ) throws -> [Double] {
    guard leaves > 0 else { return [] }
    try world.begin("fold", size: leaves)
    var tree = FixedTree(leaves: leaves, join: join)
    try world.agree {
      for index in share { tree.add(leaf: index, try leaf(index)) }
    }
    if let rounds {
      var local = tree.nodes.first?.value
      for round in rounds {
        let count = try world.exchange(
          local.map { [Double($0.count)] } ?? [], with: round.partner,
          expecting: round.partnerHasLeaves ? 1 : 0)
        let other = try world.exchange(
          local ?? [], with: round.partner, expecting: Int(count.first ?? 0))
        guard round.partnerHasLeaves else { continue }
        local = local.map { round.partnerIsLeft ? join(other, $0) : join($0, other) } ?? other
      }
      return local ?? []
    }
    var counts = [Double](repeating: 0, count: nodes.joined().count)
    try world.allGather(
      tree.nodes.map { Double($0.value.count) }, counts: nodes.map(\.count), into: &counts)
    let perRank = nodes.indices.map { rank in
      let first = nodes[..<rank].joined().count
      return Int(counts[first..<first + nodes[rank].count].reduce(0, +))
    }
    var gathered = [Double](repeating: 0, count: perRank.reduce(0, +))
    try world.allGather(tree.nodes.flatMap(\.value), counts: perRank, into: &gathered)
    var all = FixedTree(leaves: leaves, join: join)
    var place = 0
    for (node, count) in zip(nodes.joined(), counts) {
      all.add(node, Array(gathered[place..<place + Int(count)]))
      place += Int(count)
    }
    return all.root
  }

  /// Sums the nodes of all ranks.
  ///
  /// - Parameter local: the vectors of this rank's nodes, one after another.
  private func total(
    ofNodes local: [Double], width: Int, on world: Communicator
  ) throws -> [Double] {
    guard leaves > 0, width > 0 else { return [Double](repeating: 0, count: width) }
    if let rounds { return try climb(rounds, from: local, width: width, on: world) }

    var gathered = [Double](repeating: 0, count: nodes.joined().count * width)
    try world.allGather(local, counts: nodes.map { $0.count * width }, into: &gathered)
    return gathered.withUnsafeMutableBufferPointer { gathered in
      var all = FixedTree.rows(of: gathered.baseAddress!, width: width, leaves: leaves)
      for (row, node) in nodes.joined().enumerated() { all.add(node, row) }
      return Array(gathered[all.root * width..<(all.root + 1) * width])
    }
  }

  /// Returns Σ over all leaves of one number each. Collective.
  package func total(of numbers: [Double], on world: Communicator) throws -> Double {
    var numbers = numbers
    return try numbers.withUnsafeMutableBufferPointer {
      try total(of: $0, width: 1, on: world)[0]
    }
  }

  private func climb(
    _ rounds: [Round], from local: [Double], width: Int, on world: Communicator
  ) throws -> [Double] {
    var sum = local
    for round in rounds {
      let other = try world.exchange(
        sum, with: round.partner, expecting: round.partnerHasLeaves ? width : 0)
      switch (sum.isEmpty, other.isEmpty) {
      case (true, _): sum = other
      case (_, true): break
      // Both partners add the right vector to the left one.
      default: sum = zip(sum, other).map { round.partnerIsLeft ? $1 + $0 : $0 + $1 }
      }
    }
    return sum
  }

  /// Describes one level of the tree over the ranks, as this rank sees it.
  private struct Round {
    let partner: Int
    let partnerIsLeft: Bool
    /// True if the partner's group has leaves.
    let partnerHasLeaves: Bool

    init(within groups: [Range<Int>], ranks: Int, rank: Int) {
      let distance = ranks / groups.count
      partner = rank ^ distance
      partnerIsLeft = partner < rank
      partnerHasLeaves = !groups[partner / distance].isEmpty
    }
  }

  /// Returns the leaves of the groups of ranks that climb together, for each level but the root;
  /// nil if the tree over the ranks is not part of the tree over the leaves.
  private static func levels(of leaves: Int, shares: [Range<Int>]) -> [[Range<Int>]]? {
    guard shares.count.nonzeroBitCount == 1 else { return nil }
    var levels: [[Range<Int>]] = []
    var groups = shares
    while true {
      guard groups.allSatisfy({ FixedTree.cover($0, of: leaves).count <= 1 }) else { return nil }
      if groups.count == 1 { return levels }
      levels.append(groups)
      groups = (0..<groups.count / 2).map {
        groups[2 * $0].lowerBound..<groups[2 * $0 + 1].upperBound
      }
    }
  }
}

extension TreeSum {
  /// Returns the traffic of each rank for one such sum.
  package static func traffic(of shares: Partition, width: Int) -> [Traffic] {
    traffic(of: shares.items, shares: (0..<shares.ranks).map(shares.range(of:)), width: width)
  }

  /// Returns the traffic of each rank for one sum over all cells.
  package static func traffic(over partition: CellPartition, width: Int) -> [Traffic] {
    traffic(
      of: partition.cells.count, shares: (0..<partition.ranks).map(partition.cells(of:)),
      width: width)
  }

  private static func traffic(of leaves: Int, shares: [Range<Int>], width: Int) -> [Traffic] {
    let bytes = width * MemoryLayout<Double>.stride
    let ranks = shares.count
    guard leaves > 0, width > 0, ranks > 1 else { return shares.map { _ in Traffic() } }
    guard let levels = levels(of: leaves, shares: shares) else {
      return shares.map {
        .allGather(bytes: FixedTree.cover($0, of: leaves).count * bytes, ranks: ranks)
      }
    }
    return (0..<ranks).map { rank in
      // A rank without leaves has a sum to send only after a partner has sent it one.
      let sent = levels.filter { !$0[rank * $0.count / ranks].isEmpty }.count
      return Traffic(messages: sent, bytes: sent * bytes)
    }
  }
}

extension Communicator {
  /// Sums one number per item of `shares`, in the tree over the items. Every rank obtains the same
  /// bits, at any number of ranks. Collective.
  ///
  /// - Parameter local: the numbers of this rank's items, in their order.
  public func sum(of local: [Double], over shares: Partition) throws -> Double {
    try TreeSum(shares, rank: rank).total(of: local, on: self)
  }

  /// Returns a closure that joins the numbers of all ranks' cells in the tree over them, like
  /// `TreeSum.fold`. A leaf is an index into this rank's cells. Calling the closure is collective.
  public func fold(
    over partition: CellPartition
  ) -> (
    _ leaf: (_ cell: Int) throws -> [Double],
    _ join: @escaping ([Double], [Double]) -> [Double]
  ) throws -> [Double] {
    let sum = TreeSum(partition, rank: rank)
    return { [self] leaf, join in
      try sum.fold(on: self, leaf: { try leaf($0 - sum.share.lowerBound) }, join: join)
    }
  }
}
