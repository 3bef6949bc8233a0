import Sharding

/// Counts messages and bytes that a rank has sent to other ranks.
///
/// The exchanges of this module are counted message by message. MPI's own all-gather reports no
/// counts. It is assumed to send a rank's part to every other rank, as Open MPI's non-blocking one
/// does.
public struct Traffic: Sendable, Equatable {
  /// Messages sent to other ranks.
  public var messages: Int
  /// Bytes of all messages, without the MPI library's overhead.
  public var bytes: Int

  /// Creates a count, zero by default.
  public init(messages: Int = 0, bytes: Int = 0) {
    self.messages = messages
    self.bytes = bytes
  }

  /// Counts messages whose ranges count elements.
  init<Element>(_ messages: some Sequence<Message>, of element: Element.Type) {
    self = messages.reduce(into: Traffic()) {
      $0 += Traffic(messages: 1, bytes: MemoryLayout<Element>.stride * $1.range.count)
    }
  }

  /// Returns the traffic of one rank that contributes `bytes` to MPI's own all-gather.
  package static func allGather(bytes: Int, ranks: Int) -> Traffic {
    Traffic(messages: ranks - 1, bytes: (ranks - 1) * bytes)
  }

  /// Returns the sum of two counts.
  public static func + (a: Traffic, b: Traffic) -> Traffic {
    Traffic(messages: a.messages + b.messages, bytes: a.bytes + b.bytes)
  }

  /// Returns a count multiplied by `count`.
  public static func * (a: Traffic, count: Int) -> Traffic {
    Traffic(messages: a.messages * count, bytes: a.bytes * count)
  }

  /// Adds a count in place.
  public static func += (a: inout Traffic, b: Traffic) { a = a + b }

  /// Returns the traffic between two counts; `b` is the earlier one.
  public static func - (a: Traffic, b: Traffic) -> Traffic {
    Traffic(messages: a.messages - b.messages, bytes: a.bytes - b.bytes)
  }
}

/// Describes a range of a vector that a rank sends to another. Exchanges send a list of messages,
/// and traffic is predicted from the same list.
struct Message {
  /// The rank that it goes to, or comes from.
  let target: Int
  let range: Range<Int>
}

extension [Climb.Piece] {
  /// Returns the messages that send each piece from its beginning to its end to its rank, unless
  /// that is `sender`; its right-hand neighbour is first.
  func messages(from sender: Int, of ranks: Int) -> [Message] {
    filter { $0.rank != sender }
      .sorted { ($0.rank - sender + ranks) % ranks < ($1.rank - sender + ranks) % ranks }
      .flatMap { piece in
        piece.range.messageChunks.map { Message(target: piece.rank, range: $0) }
      }
  }
}

extension [Range<Int>] {
  /// Returns the messages that send each target its slice, from the slice's beginning to its end.
  func messages(to targets: [Int]) -> [Message] {
    targets.flatMap { target in
      self[target].messageChunks.map { Message(target: target, range: $0) }
    }
  }

  /// Returns the other ranks, the right-hand neighbour first, so that they do not all send to one
  /// at once.
  func others(than rank: Int) -> [Int] { (1..<count).map { (rank + $0) % count } }
}
