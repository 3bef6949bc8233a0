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
