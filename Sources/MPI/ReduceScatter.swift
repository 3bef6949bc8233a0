import Buffers
import COpenMPI
import Sharding

/// Sums vectors [d], one per micro-batch, over all ranks, in the tree over the micro-batches. Every
/// rank obtains its slice of the sum, with the same bits at any number of ranks.
///
/// A rank computes consecutive micro-batches and joins complete nodes. It completes its last vector
/// from the end to the beginning, and sends each chunk of the first stage as soon as the chunk is
/// complete; `Climb` describes the stages.
public final class ReduceScatter<Element: AdditiveArithmetic & BitwiseCopyable> {
  /// A vector [d] in this object's memory.
  public typealias Vector = UnsafeMutableBufferPointer<Element>

  /// The micro-batches of this rank.
  public let leaves: Range<Int>
  private let leafCount: Int
  private let stages: [Stage]
  private let rank: Int
  private let ranks: Int
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
  /// The requests of each stage.
  private var requests: [[MPI_Request?]]
  /// Chunks of the last node not yet sent, the next one last.
  private var outgoing: [Message] = []

  /// Describes one stage of the climb for this rank.
  private struct Stage {
    /// The messages of each node that this rank holds, from the node's end to its beginning.
    let messages: [[Message]]
    /// The coordinate at which each node's vector begins.
    let starts: [Int]
    let meetings: [Climb.Meeting]
    /// The memory in which each operand is received; nil if this rank holds all of it.
    let places: [[Int?]]
    /// For each operand of each meeting, which of the nodes that this rank holds is part of it.
    let local: [[Int?]]
  }

  /// Creates a reduce-scatter.
  ///
  /// - Parameters:
  ///   - microBatches: assigns micro-batches to ranks.
  ///   - slices: every rank's range of the sum, possibly empty; the ranges are consecutive and
  ///     cover 0 to d.
  ///   - world: all ranks create these objects in the same order.
  public init(of microBatches: Partition, to slices: [Range<Int>], on world: Communicator) {
    (rank, ranks) = (world.rank, world.size)
    tag = world.newTag()
    leaves = microBatches.range(of: rank)
    leafCount = microBatches.items
    length = slices.last!.upperBound
    let climb = Climb(of: microBatches, to: slices)
    var space = 0
    stages = (1...climb.stages).map { [rank] in
      Self.stage($0, of: climb, rank: rank, space: &space)
    }
    requests = stages.map { _ in [] }
    received = Buffer(count: space)
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
    let climb = Climb(of: microBatches, to: slices)
    return slices.indices.map { rank in
      (1...climb.stages).reduce(Traffic()) { sum, stage in
        sum + Traffic(messages(of: climb, rank: rank, stage: stage).joined(), of: Element.self)
      }
    }
  }

  /// Returns the messages of each node that a rank holds before a stage, from its end to its
  /// beginning for each target.
  private static func messages(of climb: Climb, rank: Int, stage: Int) -> [[Message]] {
    climb.parts(of: rank, stage: stage).flatMap { part in
      let messages = part.targets.messages(from: rank, of: climb.ranks)
      return part.nodes.map { _ in messages }
    }
  }

  private static func stage(
    _ stage: Int, of climb: Climb, rank: Int, space: inout Int
  ) -> Stage {
    let parts = climb.parts(of: rank, stage: stage)
    let meetings = climb.meetings(of: rank, stage: stage)
    // The first of the nodes that this rank holds of a group.
    var (first, count) = ([Int: Int](), 0)
    for part in parts {
      first[part.group] = count
      count += part.nodes.count
    }
    var (places, local) = ([[Int?]](), [[Int?]]())
    for meeting in meetings {
      local.append(
        meeting.operands.map { operand in first[operand.group].map { $0 + operand.place } })
      places.append(
        meeting.operands.map { operand in
          guard operand.pieces != [Climb.Piece(rank: rank, range: meeting.interval)] else {
            return nil
          }
          defer { space += meeting.interval.count }
          return space
        })
    }
    return Stage(
      messages: messages(of: climb, rank: rank, stage: stage),
      starts: parts.flatMap { part in part.nodes.map { _ in part.interval.lowerBound } },
      meetings: meetings, places: places, local: local)
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
      try send(
        Array(outgoing[staying...]), of: local.nodes.last!.value, from: 0, stage: 0, on: world)
      outgoing.removeSubrange(staying...)
    }
    try world.progress(&requests[0])
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
      local.nodes.count == stages[0].messages.count && outgoing.isEmpty,
      "rank \(rank) has the nodes \(local.nodes.map { $0.node }), or \(outgoing.count) chunks")
    var held = local.nodes.map { $0.value }
    for (index, stage) in stages.enumerated() {
      if index > 0 {
        for (node, messages) in stage.messages.enumerated() {
          try send(
            messages, of: held[node], from: stage.starts[node], stage: index, on: world)
        }
      }
      try world.wait(for: &requests[index])
      requests[index] = []
      held = stage.meetings.indices.map { joined($0, of: stage, held) }
    }
    startOver()
    return UnsafeBufferPointer(held[0])
  }

  /// Returns the value of a meeting: the sum of its operands in the order of the tree.
  @specialized(where Element == Float)
  @specialized(where Element == Double)
  private func joined(_ index: Int, of stage: Stage, _ held: [Vector]) -> Vector {
    let meeting = stage.meetings[index]
    var tree = FixedTree<Vector>(leaves: leafCount) { left, right in
      Self.add(right, to: left, left.indices)
      return left
    }
    for (operand, description) in meeting.operands.enumerated() {
      let local = stage.local[index][operand].map { node in
        (value: held[node], start: stage.starts[node])
      }
      guard let place = stage.places[index][operand] else {
        let (value, start) = local!
        let interval = meeting.interval
        tree.add(
          description.node,
          Vector(rebasing: value[interval.lowerBound - start..<interval.upperBound - start]))
        continue
      }
      for piece in description.pieces where piece.rank == rank {
        let (value, start) = local!
        let source = value[piece.range.lowerBound - start..<piece.range.upperBound - start]
        _ = part(place, meeting.interval, piece.range).update(
          fromContentsOf: UnsafeBufferPointer(rebasing: source))
      }
      tree.add(description.node, part(place, meeting.interval, meeting.interval))
    }
    precondition(tree.nodes.count <= 1, "a meeting left the nodes \(tree.nodes.map { $0.node })")
    return tree.nodes.first?.value ?? Vector(start: nil, count: 0)
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

  /// Posts the receives of all stages, and sends this rank's complete nodes.
  ///
  /// Messages between two ranks arrive in the order they are sent: stage by stage, node by node,
  /// and each node from its end to its beginning.
  @specialized(where Element == Float)
  @specialized(where Element == Double)
  private func beginExchange(on world: Communicator) throws {
    for (index, stage) in stages.enumerated() {
      for (meeting, places) in zip(stage.meetings, stage.places) {
        for (operand, place) in zip(meeting.operands, places) {
          for piece in operand.pieces where piece.rank != rank {
            for chunk in piece.range.messageChunks.reversed() {
              requests[index].append(
                try world.receive(
                  UnsafeMutableRawBufferPointer(part(place!, meeting.interval, chunk)),
                  from: piece.rank, tag: tag))
            }
          }
        }
      }
    }
    let messages = stages[0].messages
    for (node, messages) in zip(local.nodes, messages).dropLast() {
      try send(messages, of: node.value, from: 0, stage: 0, on: world)
    }
    outgoing = (messages.last ?? []).sorted { $0.range.lowerBound < $1.range.lowerBound }
  }

  /// Sends messages to each rank from the last chunk to the first. The right-hand neighbour is
  /// served first, so that the ranks do not all send to one at once.
  @specialized(where Element == Float)
  @specialized(where Element == Double)
  private func send(
    _ messages: [Message], of vector: Vector, from start: Int, stage: Int,
    on world: Communicator
  ) throws {
    func distance(_ target: Int) -> Int { (target - rank + ranks) % ranks }
    let ordered = messages.sorted {
      (distance($0.target), $1.range.lowerBound) < (distance($1.target), $0.range.lowerBound)
    }
    for message in ordered {
      let range = message.range.lowerBound - start..<message.range.upperBound - start
      requests[stage].append(
        try world.send(
          UnsafeRawBufferPointer(Vector(rebasing: vector[range])), to: message.target, tag: tag))
    }
  }

  /// Returns the memory of a range within an interval that is received at `place`.
  private func part(_ place: Int, _ interval: Range<Int>, _ range: Range<Int>) -> Vector {
    let start = place - interval.lowerBound
    return received[start + range.lowerBound..<start + range.upperBound]
  }

  @specialized(where Element == Float)
  @specialized(where Element == Double)
  private static func add(_ right: Vector, to left: Vector, _ range: Range<Int>) {
    let (source, target) = (right.baseAddress!, left.baseAddress!)
    for i in range { target[i] += source[i] }
  }
}
