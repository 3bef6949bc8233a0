import COpenMPI

/// Completes a vector of which each rank makes its own slice: chunks of it leave for the other
/// ranks as soon as they are made.
public final class AllGather<Element: BitwiseCopyable> {
  private let slices: [Range<Int>]
  private let rank: Int
  private let tag: Int
  private var requests: [MPI_Request?] = []
  /// Messages that have not left yet, the next one last.
  private var outgoing: [Message]
  private var isUnderWay = false

  /// - Parameters:
  ///   - slices: every rank's range; they lie one after another from 0 to the vector's end.
  ///   - world: on all ranks, these objects are made in the same order.
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

  /// Whether `advance` to `end` would send anything.
  public func hasChunk(upTo end: Int) -> Bool {
    outgoing.last.map { $0.range.upperBound <= end } ?? false
  }

  /// What each rank sends to complete a vector.
  public static func traffic(_ slices: [Range<Int>]) -> [Traffic] {
    slices.indices.map { Traffic(messages(slices, from: $0), of: Element.self) }
  }

  /// Says that this rank's slice of `vector` is made up to `end`, a coordinate of the vector, and
  /// that the others' slices may be overwritten.
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

  /// Once in an exchange: expects the other ranks' slices.
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
  /// Completes a vector of which each rank holds its own slice, in place. Collective.
  ///
  /// - Parameter slices: every rank's range; they lie one after another from 0 to the vector's end.
  public func allGather<Element: BitwiseCopyable>(
    _ vector: UnsafeMutableBufferPointer<Element>, slices: [Range<Int>]
  ) throws {
    try AllGather(slices, rank: rank, tag: 0).finish(vector, on: self)
  }
}
