import COpenMPI

/// Completes a vector of which each rank computes its own slice. It sends chunks of the slice to
/// the other ranks as soon as they are computed.
public final class AllGather<Element: BitwiseCopyable> {
  private let slices: [Range<Int>]
  private let rank: Int
  private let tag: Int
  private var requests: [MPI_Request?] = []
  /// Messages not yet sent, the next one last.
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
    self.slices = slices
    self.rank = rank
    self.tag = tag
    outgoing = Self.messages(slices, from: rank).reversed()
  }

  private static func messages(_ slices: [Range<Int>], from rank: Int) -> [Message] {
    slices[rank].messageChunks.flatMap { chunk in
      slices.others(than: rank).map { Message(target: $0, range: chunk) }
    }
  }

  /// Returns whether `advance` to `end` would send a chunk.
  public func hasChunk(upTo end: Int) -> Bool {
    outgoing.last.map { $0.range.upperBound <= end } ?? false
  }

  /// Returns the traffic of each rank to complete one vector.
  public static func traffic(_ slices: [Range<Int>]) -> [Traffic] {
    slices.indices.map { Traffic(messages(slices, from: $0), of: Element.self) }
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
      requests.append(
        try world.send(
          UnsafeRawBufferPointer(UnsafeMutableBufferPointer(rebasing: vector[message.range])),
          to: message.target, tag: tag))
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
    try advance(to: slices[rank].upperBound, of: vector, on: world)
    try world.wait(for: &requests)
    requests = []
    outgoing = Self.messages(slices, from: rank).reversed()
    isUnderWay = false
  }

  /// Posts the receives for the other ranks' slices, once per exchange.
  @specialized(where Element == Float)
  @specialized(where Element == Double)
  private func begin(
    _ vector: UnsafeMutableBufferPointer<Element>, on world: Communicator
  ) throws {
    guard !isUnderWay else { return }
    isUnderWay = true
    precondition(
      slices.last!.upperBound == vector.count,
      "slices up to \(slices.last!.upperBound) of a vector of \(vector.count)")
    for source in 0..<slices.count where source != rank {
      for chunk in slices[source].messageChunks {
        requests.append(
          try world.receive(
            UnsafeMutableRawBufferPointer(
              UnsafeMutableBufferPointer(rebasing: vector[chunk])), from: source, tag: tag))
      }
    }
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
