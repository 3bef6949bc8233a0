import COpenMPI

/// Moves ranges of a vector between ranks, each from one rank to another.
///
/// It moves numbers and adds nothing, so their bits stay the same.
package final class RangeExchange<Element: BitwiseCopyable> {
  /// Describes a range that one rank sends and another receives; within one rank it is copied.
  package struct Move: Sendable, Equatable {
    /// The rank that sends.
    package let source: Int
    /// The rank that receives; it may be the same.
    package let target: Int
    /// The elements, as indices into the vectors of both ranks.
    package let range: Range<Int>

    /// Creates a move of `range` from one rank to another.
    package init(_ range: Range<Int>, from source: Int, to target: Int) {
      self.source = source
      self.target = target
      self.range = range
    }
  }

  /// Merges adjacent ranges that move between the same two ranks, for vectors that are contiguous
  /// in memory.
  package static func joined(_ moves: [Move]) -> [Move] {
    let ordered = moves.sorted {
      ($0.source, $0.target, $0.range.lowerBound) < ($1.source, $1.target, $1.range.lowerBound)
    }
    return ordered.reduce(into: []) { joined, move in
      if let last = joined.last, last.source == move.source, last.target == move.target,
        last.range.upperBound == move.range.lowerBound
      {
        joined[joined.count - 1] = Move(
          last.range.lowerBound..<move.range.upperBound, from: move.source, to: move.target)
      } else {
        joined.append(move)
      }
    }
  }

  private let moves: [Move]
  private let rank: Int
  private let tag: Int
  private let count: Int

  /// Creates an exchange of the given moves.
  ///
  /// - Parameters:
  ///   - moves: the same on all ranks; no rank receives an element twice.
  ///   - world: all ranks create these objects in the same order.
  package init(_ moves: [Move], on world: Communicator) {
    rank = world.rank
    tag = world.newTag()
    count = moves.reduce(0) { $0 + $1.range.count }
    // Each rank serves its right-hand neighbour first, so that they do not all write to one at
    // once.
    func distance(_ move: Move) -> Int { (move.target - move.source + world.size) % world.size }
    self.moves =
      moves.enumerated()
      .filter { $0.element.source == world.rank || $0.element.target == world.rank }
      .sorted { (distance($0.element), $0.offset) < (distance($1.element), $1.offset) }
      .map(\.element)
  }

  /// Returns the traffic of each rank for one exchange.
  package static func traffic(_ moves: [Move], ranks: Int) -> [Traffic] {
    var traffic = [Traffic](repeating: Traffic(), count: ranks)
    for move in moves { traffic[move.source] += Traffic(messages(of: move), of: Element.self) }
    return traffic
  }

  /// Returns the messages of a move. A move within a rank is a copy and needs none.
  private static func messages(of move: Move) -> [Message] {
    guard move.source != move.target else { return [] }
    return move.range.messageChunks.map { Message(target: move.target, range: $0) }
  }

  /// Makes all moves. Collective.
  ///
  /// - Parameters:
  ///   - source: returns the memory of a range that this rank sends.
  ///   - target: returns the memory for a range that this rank receives; it must not overlap memory
  ///     that is still being sent.
  package func exchange(
    from source: (Range<Int>) -> UnsafeBufferPointer<Element>,
    into target: (Range<Int>) -> UnsafeMutableBufferPointer<Element>, on world: Communicator
  ) throws {
    try world.begin("exchange of ranges", size: count)
    var requests: [MPI_Request?] = []
    for move in moves where move.target == rank {
      let part = target(move.range)
      guard move.source != rank else {
        _ = part.update(fromContentsOf: source(move.range))
        continue
      }
      for chunk in part.indices.messageChunks {
        requests.append(
          try world.receive(
            UnsafeMutableRawBufferPointer(UnsafeMutableBufferPointer(rebasing: part[chunk])),
            from: move.source, tag: tag))
      }
    }
    for move in moves where move.source == rank && move.target != rank {
      let part = source(move.range)
      for message in Self.messages(of: move) {
        let start = message.range.lowerBound - move.range.lowerBound
        requests.append(
          try world.send(
            UnsafeRawBufferPointer(
              UnsafeBufferPointer(rebasing: part[start..<start + message.range.count])),
            to: message.target, tag: tag))
      }
    }
    try world.wait(for: &requests)
  }
}
