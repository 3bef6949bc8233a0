import COpenMPI
import Sharding

/// Completes a vector of which each rank computes its own slice. It sends chunks of the slice to
/// the other ranks as soon as they are computed.
public final class AllGather<Element: BitwiseCopyable> {
  /// This rank's slice, and the vector's length.
  private let slice: Range<Int>
  private let length: Int
  private let tag: Int
  /// The messages that this rank receives and sends, step by step.
  private let steps: [(from: [Message], to: [Message])]
  private var requests: [MPI_Request?] = []
  /// Messages of the first step not yet sent, the next one last.
  private var outgoing: [Message]
  private var isUnderWay = false

  /// Creates an all-gather, reusable for one vector after another.
  ///
  /// - Parameters:
  ///   - slices: every rank's range; the ranges are consecutive and cover the vector from 0 to its
  ///     end.
  ///   - world: all ranks create these objects in the same order.
  public convenience init(_ slices: [Range<Int>], on world: Communicator) {
    self.init(slices, rank: world.rank, tag: world.newTag())
  }

  fileprivate init(_ slices: [Range<Int>], rank: Int, tag: Int) {
    (slice, length) = (slices[rank], slices.last!.upperBound)
    self.tag = tag
    let climb = Self.climb(slices)
    steps = (1...climb.stages).reversed().map { Self.messages(of: climb, rank: rank, stage: $0) }
    outgoing = steps[0].to.reversed()
  }

  private static func climb(_ slices: [Range<Int>]) -> Climb {
    Climb(of: Partition(of: slices.count, over: slices.count), to: slices)
  }

  /// Returns the messages to and from a rank in a stage, in the order of the coordinates; of those
  /// that send the same, that to the right-hand neighbour is first.
  private static func messages(
    of climb: Climb, rank: Int, stage: Int
  ) -> (from: [Message], to: [Message]) {
    let (from, to) = climb.gathering(of: rank, stage: stage)
    func ordered(_ pieces: [Climb.Piece]) -> [Message] {
      pieces.messages(from: rank, of: climb.ranks).enumerated().sorted {
        ($0.element.range.lowerBound, $0.offset) < ($1.element.range.lowerBound, $1.offset)
      }.map(\.element)
    }
    return (ordered(from), ordered(to))
  }

  /// Returns whether `advance` to `end` would send a chunk.
  public func hasChunk(upTo end: Int) -> Bool {
    outgoing.last.map { $0.range.upperBound <= end } ?? false
  }

  /// Returns the traffic of each rank to complete one vector.
  public static func traffic(_ slices: [Range<Int>]) -> [Traffic] {
    let climb = climb(slices)
    return slices.indices.map { rank in
      (1...climb.stages).reduce(Traffic()) {
        $0 + Traffic(messages(of: climb, rank: rank, stage: $1).to, of: Element.self)
      }
    }
  }

  /// Sends the chunks of this rank's slice that are complete up to `end`, a coordinate of the
  /// vector. From the first call on, the other ranks' slices of `vector` may be overwritten.
  @specialized(where Element == Float)
  @specialized(where Element == Double)
  public func advance(
    to end: Int, of vector: UnsafeMutableBufferPointer<Element>, on world: Communicator
  ) throws {
    try begin(vector, on: world)
    while let message = outgoing.last, message.range.upperBound <= end {
      outgoing.removeLast()
      try send(message, of: vector, on: world)
    }
    try world.progress(&requests)
  }

  /// Waits until the vector is complete. Collective.
  @specialized(where Element == Float)
  @specialized(where Element == Double)
  public func finish(
    _ vector: UnsafeMutableBufferPointer<Element>, on world: Communicator
  ) throws {
    try world.begin("all-gather", size: vector.count)
    try advance(to: slice.upperBound, of: vector, on: world)
    try world.wait(for: &requests)
    for step in steps.dropFirst() {
      requests = []
      try receive(step.from, of: vector, on: world)
      for message in step.to { try send(message, of: vector, on: world) }
      try world.wait(for: &requests)
    }
    requests = []
    outgoing = steps[0].to.reversed()
    isUnderWay = false
  }

  /// Posts the receives of the first step, once per exchange.
  @specialized(where Element == Float)
  @specialized(where Element == Double)
  private func begin(
    _ vector: UnsafeMutableBufferPointer<Element>, on world: Communicator
  ) throws {
    guard !isUnderWay else { return }
    isUnderWay = true
    precondition(
      length == vector.count, "slices up to \(length) of a vector of \(vector.count)")
    try receive(steps[0].from, of: vector, on: world)
  }

  @specialized(where Element == Float)
  @specialized(where Element == Double)
  private func receive(
    _ messages: [Message], of vector: UnsafeMutableBufferPointer<Element>, on world: Communicator
  ) throws {
    for message in messages {
      requests.append(
        try world.receive(
          UnsafeMutableRawBufferPointer(
            UnsafeMutableBufferPointer(rebasing: vector[message.range])), from: message.target,
          tag: tag))
    }
  }

  @specialized(where Element == Float)
  @specialized(where Element == Double)
  private func send(
    _ message: Message, of vector: UnsafeMutableBufferPointer<Element>, on world: Communicator
  ) throws {
    requests.append(
      try world.send(
        UnsafeRawBufferPointer(UnsafeMutableBufferPointer(rebasing: vector[message.range])),
        to: message.target, tag: tag))
  }
}

extension Communicator {
  /// Completes a vector in place, of which each rank holds its own slice. Collective.
  ///
  /// - Parameter slices: every rank's range; the ranges are consecutive and cover the vector from 0
  ///   to its end.
  public func allGather<Element: BitwiseCopyable>(
    _ vector: UnsafeMutableBufferPointer<Element>, slices: [Range<Int>]
  ) throws {
    try AllGather(slices, rank: rank, tag: 0).finish(vector, on: self)
  }
}
