import Buffers
import COpenMPI
import Sharding

/// Sums vectors [d], one per micro-batch, over all ranks, in the tree over the micro-batches. Every
/// rank obtains its slice of the sum, with the same bits at any number of ranks.
///
/// A rank computes consecutive micro-batches and joins complete nodes. It completes its last vector
/// from the end to the beginning, and sends each chunk to its owner as soon as the chunk is
/// complete.
public final class ReduceScatter<Element: AdditiveArithmetic & BitwiseCopyable> {
  /// A vector [d] in this object's memory.
  public typealias Vector = UnsafeMutableBufferPointer<Element>

  /// The micro-batches of this rank.
  public let leaves: Range<Int>
  private let leafCount: Int
  private let slices: [Range<Int>]
  private let nodes: [[TreeNode]]
  private let rank: Int
  private let tag: Int
  private let length: Int
  private let received: Buffer<Element>
  /// The largest number of vectors in use at once.
  private let vectors: [Buffer<Element>]
  private var idle: [Vector]

  /// Complete nodes; the last one includes the micro-batch that is being computed.
  private var local: FixedTree<Vector>
  /// Pairs to join in this order, as far as both vectors are complete; the right is added to the
  /// left.
  private var joins: [(left: Vector, right: Vector)] = []
  /// The vector that is being computed is complete from this index on.
  private var complete: Int
  private var requests: [MPI_Request?] = []
  /// Chunks of the last node not yet sent, the next one last.
  private var outgoing: [Message] = []

  /// Creates a reduce-scatter.
  ///
  /// - Parameters:
  ///   - microBatches: assigns micro-batches to ranks.
  ///   - slices: every rank's range of the sum, possibly empty; the ranges are consecutive and
  ///     cover 0 to d.
  ///   - world: all ranks create these objects in the same order.
  public init(of microBatches: Partition, to slices: [Range<Int>], on world: Communicator) {
    rank = world.rank
    tag = world.newTag()
    leaves = microBatches.range(of: rank)
    leafCount = microBatches.items
    self.slices = slices
    nodes = slices.indices.map {
      FixedTree.cover(microBatches.range(of: $0), of: microBatches.items)
    }
    length = slices.last!.upperBound
    let foreign = nodes.joined().count - nodes[rank].count
    received = Buffer(count: foreign * slices[rank].count)
    vectors = (0..<Self.vectorCount(leaves, of: leafCount)).map { [length] _ in
      Buffer(count: length)
    }
    idle = vectors.map { $0.all }
    complete = length
    local = FixedTree(leaves: 0) { left, _ in left }
    startOver()
  }

  /// Returns the number of vectors in use at once: those that wait for their siblings, and the one
  /// that is being computed.
  private static func vectorCount(_ leaves: Range<Int>, of leafCount: Int) -> Int {
    var tree = FixedTree<Void>(leaves: leafCount) { _, _ in }
    return leaves.reduce(0) { most, leaf in
      defer { tree.add(leaf: leaf, ()) }
      return max(most, tree.nodes.count + 1)
    }
  }

  /// Returns the traffic of each rank for one such sum.
  public static func traffic(of microBatches: Partition, to slices: [Range<Int>]) -> [Traffic] {
    slices.indices.map { rank in
      Traffic(messages(slices, from: rank), of: Element.self)
        * FixedTree.cover(microBatches.range(of: rank), of: microBatches.items).count
    }
  }

  /// Returns the messages of a node, from its beginning to its end.
  private static func messages(_ slices: [Range<Int>], from rank: Int) -> [Message] {
    slices.messages(to: slices.indices.filter { $0 != rank })
  }

  /// Returns the vector [d] for the caller to fill with the next micro-batch's numbers. With the
  /// rank's last micro-batch the exchange begins, and complete nodes are sent.
  ///
  /// From then until `finish`, an error on one rank must end the job.
  @specialized(where Element == Float)
  @specialized(where Element == Double)
  public func begin(microBatch: Int, on world: Communicator) throws -> Vector {
    precondition(joins.isEmpty && complete == length, "micro-batch \(microBatch) within another")
    let vector = idle.removeLast()
    local.add(leaf: microBatch, vector)
    if microBatch == leaves.upperBound - 1 { try beginExchange(on: world) }
    return vector
  }

  /// Marks the vector that is being filled as complete from `start` to its end. The call with 0
  /// returns the vector to this object.
  @specialized(where Element == Float)
  @specialized(where Element == Double)
  public func advance(to start: Int, on world: Communicator) throws {
    for (left, right) in joins { Self.add(right, to: left, start..<max(start, complete)) }
    complete = min(start, complete)
    let staying = outgoing.prefix { $0.range.lowerBound < complete }.count
    if staying < outgoing.count {
      try send(outgoing[staying...], of: local.nodes.last!.value, on: world)
      outgoing.removeSubrange(staying...)
    }
    try world.progress(&requests)
    if start == 0 {
      // A closure, not a key path: a key path of a generic type is looked up by name on every use.
      idle += joins.map { $0.right }
      joins = []
      complete = length
    }
  }

  /// Returns this rank's slice of the sum over all micro-batches; the next sum overwrites it.
  /// Collective.
  @specialized(where Element == Float)
  @specialized(where Element == Double)
  public func finish(on world: Communicator) throws -> UnsafeBufferPointer<Element> {
    try world.begin("reduce-scatter", size: length)
    if leaves.isEmpty { try beginExchange(on: world) }
    precondition(
      local.nodes.map { $0.node } == nodes[rank] && outgoing.isEmpty,
      "rank \(rank) has the nodes \(local.nodes.map { $0.node }), not its own, or "
        + "\(outgoing.count) chunks"
    )
    try world.wait(for: &requests)
    requests = []

    let slice = slices[rank]
    var parts = FixedTree<Vector>(leaves: leafCount) { left, right in
      Self.add(right, to: left, left.indices)
      return left
    }
    var incoming = 0
    for source in 0..<nodes.count {
      for (index, node) in nodes[source].enumerated() {
        if source == rank {
          parts.add(node, Vector(rebasing: local.nodes[index].value[slice]))
        } else {
          parts.add(node, part(incoming))
          incoming += 1
        }
      }
    }
    startOver()
    return UnsafeBufferPointer(parts.root)
  }

  @specialized(where Element == Float)
  @specialized(where Element == Double)
  private func startOver() {
    idle += local.nodes.map { $0.value }
    local = FixedTree(leaves: leafCount) { [unowned self] left, right in
      joins.append((left, right))
      return left
    }
  }

  /// Posts the receives for the other ranks' nodes, and sends this rank's complete nodes.
  ///
  /// Messages between two ranks arrive in the order they are sent: node by node, and each node from
  /// its end to its beginning.
  @specialized(where Element == Float)
  @specialized(where Element == Double)
  private func beginExchange(on world: Communicator) throws {
    var incoming = 0
    for source in 0..<nodes.count where source != rank {
      for _ in nodes[source] {
        for chunk in part(incoming).indices.messageChunks.reversed() {
          requests.append(
            try world.receive(
              UnsafeMutableRawBufferPointer(Vector(rebasing: part(incoming)[chunk])),
              from: source, tag: tag))
        }
        incoming += 1
      }
    }
    outgoing = Self.messages(slices, from: rank)
    for (_, vector) in local.nodes.dropLast() {
      try send(outgoing[...], of: vector, on: world)
    }
    if leaves.isEmpty { outgoing = [] }
  }

  /// Sends messages to each rank from the last chunk to the first. The right-hand neighbour is
  /// served first, so that the ranks do not all send to one at once.
  @specialized(where Element == Float)
  @specialized(where Element == Double)
  private func send(
    _ messages: ArraySlice<Message>, of vector: Vector, on world: Communicator
  ) throws {
    func distance(_ target: Int) -> Int { (target - rank + slices.count) % slices.count }
    let ordered = messages.sorted {
      (distance($0.target), $1.range.lowerBound) < (distance($1.target), $0.range.lowerBound)
    }
    for message in ordered {
      requests.append(
        try world.send(
          UnsafeRawBufferPointer(Vector(rebasing: vector[message.range])), to: message.target,
          tag: tag))
    }
  }

  /// Returns the memory that receives a node from another rank.
  private func part(_ index: Int) -> Vector {
    let count = slices[rank].count
    return received[index * count..<(index + 1) * count]
  }

  @specialized(where Element == Float)
  @specialized(where Element == Double)
  private static func add(_ right: Vector, to left: Vector, _ range: Range<Int>) {
    let (source, target) = (right.baseAddress!, left.baseAddress!)
    for i in range { target[i] += source[i] }
  }
}
