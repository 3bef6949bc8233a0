import COpenMPI
import Sharding

/// Sums vectors [d], one for each micro-batch, over all ranks, in the tree over the micro-batches,
/// and leaves every rank with its slice of the sum: the same bits at any number of ranks.
///
/// A rank computes a run of micro-batches (`add`, from left to right), joins what it can, and in
/// `finish` sends each of its nodes, cut in slices, to the slices' owners.
public final class ReduceScatter {
  private typealias Vector = UnsafeMutableBufferPointer<Float>

  /// The micro-batches of this rank.
  public let leaves: Range<Int>
  private let leafCount: Int
  private let slices: [Range<Int>]
  private let nodes: [[TreeNode]]
  private let rank: Int
  private let length: Int
  private var idle: [Vector] = []
  private var tree: FixedTree<Vector>?
  private let received: Vector

  /// - Parameters:
  ///   - microBatches: who computes which.
  ///   - partition: who owns which slice of the sum.
  public init(of microBatches: Partition, to partition: CellPartition, rank: Int) {
    leaves = microBatches.range(of: rank)
    leafCount = microBatches.items
    slices = (0..<partition.ranks).map(partition.slice(of:))
    nodes = (0..<partition.ranks).map {
      FixedTree.cover(microBatches.range(of: $0), of: microBatches.items)
    }
    self.rank = rank
    length = partition.cells.parameterCount
    let foreign = nodes.joined().count - nodes[rank].count
    received = Self.allocate(foreign * slices[rank].count)
  }

  deinit {
    for vector in idle + (tree?.nodes.map(\.value) ?? []) + [received] { vector.deallocate() }
  }

  /// Bytes that these sums take on a rank, at most.
  public static func bytes(of microBatches: Partition, to partition: CellPartition, rank: Int)
    -> Int
  {
    var foreign = 0
    for other in 0..<partition.ranks where other != rank {
      foreign += FixedTree.cover(microBatches.range(of: other), of: microBatches.items).count
    }
    // Vectors that wait for their siblings, and the one being computed.
    var tree = FixedTree<Void>(leaves: microBatches.items) { _, _ in }
    var vectors = 0
    for leaf in microBatches.range(of: rank) {
      vectors = max(vectors, tree.nodes.count + 1)
      tree.add(leaf: leaf, ())
    }
    return 4
      * (vectors * partition.cells.parameterCount + foreign * partition.slice(of: rank).count)
  }

  /// Adds the vector [d] of the next micro-batch, which `compute` writes. Local.
  public func add(
    microBatch: Int, _ compute: (UnsafeMutableBufferPointer<Float>) throws -> Void
  ) rethrows {
    let vector = idle.popLast() ?? Self.allocate(length)
    do {
      try compute(vector)
    } catch {
      idle.append(vector)
      throw error
    }
    if tree == nil {
      tree = FixedTree(leaves: leafCount) { [unowned self] left, right in
        Self.add(right, to: left)
        idle.append(right)
        return left
      }
    }
    tree!.add(leaf: microBatch, vector)
  }

  /// This rank's slice of the sum over all micro-batches; it is overwritten by the next sum.
  /// Collective.
  public func finish(on world: Communicator) throws -> UnsafeBufferPointer<Float> {
    let own = tree?.nodes ?? []
    tree = nil
    idle += own.map(\.value)
    precondition(
      own.map(\.node) == nodes[rank], "rank \(rank) has the nodes \(own.map(\.node)), not its own")

    let slice = slices[rank]
    var requests: [MPI_Request?] = []
    var incoming = 0
    var parts = FixedTree<Vector>(leaves: leafCount) { left, right in
      Self.add(right, to: left)
      return left
    }
    var arriving: [(TreeNode, Vector)] = []
    for source in 0..<nodes.count {
      for (index, node) in nodes[source].enumerated() {
        guard source != rank else {
          arriving.append((node, Vector(rebasing: own[index].value[slice])))
          continue
        }
        let part = Vector(rebasing: received[incoming * slice.count..<(incoming + 1) * slice.count])
        incoming += 1
        arriving.append((node, part))
        guard !part.isEmpty else { continue }
        requests.append(
          try world.receive(UnsafeMutableRawBufferPointer(part), from: source, tag: index))
      }
    }
    // Each rank starts with its right-hand neighbour, so that they do not all write to one at once.
    for step in 1..<max(slices.count, 2) where slices.count > 1 {
      let target = (rank + step) % slices.count
      guard !slices[target].isEmpty else { continue }
      for (index, (_, vector)) in own.enumerated() {
        let part = UnsafeRawBufferPointer(Vector(rebasing: vector[slices[target]]))
        requests.append(try world.send(part, to: target, tag: index))
      }
    }
    try world.wait(for: &requests)
    for (node, part) in arriving { parts.add(node, part) }
    return UnsafeBufferPointer(parts.root)
  }

  private static func add(_ right: Vector, to left: Vector) {
    let (source, target) = (right.baseAddress!, left.baseAddress!)
    for i in 0..<left.count { target[i] += source[i] }
  }

  private static func allocate(_ count: Int) -> Vector {
    let raw = UnsafeMutableRawBufferPointer.allocate(byteCount: max(count, 1) * 4, alignment: 64)
    let vector = raw.bindMemory(to: Float.self)
    vector.initialize(repeating: 0)
    return Vector(rebasing: vector[..<count])
  }
}
