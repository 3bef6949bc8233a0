/// What a rank has sent to other ranks.
///
/// The exchanges of this module are counted message by message. Of MPI's own all-gather, which says
/// nothing of the kind, it is assumed that a rank sends its part to each other rank, as Open MPI's
/// non-blocking one does.
public struct Traffic: Sendable, Equatable {
  /// Sent to another rank each.
  public var messages: Int
  /// Of all messages together, without what the MPI library adds.
  public var bytes: Int

  /// Nothing, where nothing is given.
  public init(messages: Int = 0, bytes: Int = 0) {
    self.messages = messages
    self.bytes = bytes
  }

  /// That of messages whose ranges count elements.
  init<Element>(_ messages: [Message], of element: Element.Type) {
    self.init(
      messages: messages.count,
      bytes: MemoryLayout<Element>.stride * messages.reduce(0) { $0 + $1.range.count })
  }

  /// Of one rank in MPI's own all-gather, to which it gives `bytes`.
  package static func allGather(bytes: Int, ranks: Int) -> Traffic {
    Traffic(messages: ranks - 1, bytes: (ranks - 1) * bytes)
  }

  /// Both together.
  public static func + (a: Traffic, b: Traffic) -> Traffic {
    Traffic(messages: a.messages + b.messages, bytes: a.bytes + b.bytes)
  }

  /// The same several times.
  public static func * (a: Traffic, count: Int) -> Traffic {
    Traffic(messages: a.messages * count, bytes: a.bytes * count)
  }

  /// Adds what was sent otherwise.
  public static func += (a: inout Traffic, b: Traffic) { a = a + b }

  /// What was sent between two counts, `b` the earlier one.
  public static func - (a: Traffic, b: Traffic) -> Traffic {
    Traffic(messages: a.messages - b.messages, bytes: a.bytes - b.bytes)
  }
}

/// A range of a vector that a rank sends to another. Exchanges send those of a list, and traffic is
/// predicted from the same list.
struct Message {
  let target: Int
  let range: Range<Int>
}

extension [Range<Int>] {
  /// The slices of some ranks, each rank's to itself, from their beginning to their end.
  func messages(to targets: [Int]) -> [Message] {
    targets.flatMap { target in
      self[target].messageChunks.map { Message(target: target, range: $0) }
    }
  }

  /// The other ranks, the right-hand neighbour first, so that they do not all send to one at once.
  func others(than rank: Int) -> [Int] { (1..<count).map { (rank + $0) % count } }
}
