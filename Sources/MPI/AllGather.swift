import COpenMPI

/// Completes a vector of which each rank makes its own slice: blocks of it leave for the other
/// ranks as soon as they are made.
public final class AllGather<Element: BitwiseCopyable> {
  private let slices: [Range<Int>]
  private let rank: Int
  private let tag: Int
  private var requests: [MPI_Request?] = []
  /// Blocks of the own slice that have not left yet, the next one last.
  private var outgoing: [Range<Int>]
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
    outgoing = Self.chunks(of: slices, rank)
  }

  private static func chunks(of slices: [Range<Int>], _ rank: Int) -> [Range<Int>] {
    slices.count > 1 ? slices[rank].messageChunks.reversed() : []
  }

  /// Whether `advance` to `end` would send anything.
  public func hasBlock(upTo end: Int) -> Bool {
    outgoing.last.map { $0.upperBound <= end } ?? false
  }

  /// What each rank sends to complete a vector.
  public static func traffic(_ slices: [Range<Int>]) -> [Traffic] {
    let others = slices.count - 1
    return slices.map {
      Traffic(
        messages: others * $0.messageChunks.count,
        bytes: MemoryLayout<Element>.stride * others * $0.count)
    }
  }

  /// Says that this rank's slice of `vector` is made up to `end`, a coordinate of the vector, and
  /// that the others' slices may be overwritten.
  @specialized(where Element == Float)
  @specialized(where Element == Double)
  public func advance(
    to end: Int, of vector: UnsafeMutableBufferPointer<Element>, on world: Communicator
  ) throws {
    try begin(vector, on: world)
    while let block = outgoing.last, block.upperBound <= end {
      outgoing.removeLast()
      // Each rank starts with its right-hand neighbour, so that they do not all write to one at
      // once.
      for step in 1..<slices.count {
        requests.append(
          try world.send(
            UnsafeRawBufferPointer(UnsafeMutableBufferPointer(rebasing: vector[block])),
            to: (rank + step) % slices.count, tag: tag))
      }
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
    outgoing = Self.chunks(of: slices, rank)
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
      for block in slices[source].messageChunks {
        requests.append(
          try world.receive(
            UnsafeMutableRawBufferPointer(
              UnsafeMutableBufferPointer(rebasing: vector[block])), from: source, tag: tag))
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
