import Sharding

/// Sums vectors [n], one per micro-batch, over all ranks, in the tree over the micro-batches. Every
/// rank obtains the whole sum, with the same bits at any number of ranks.
///
/// It is a reduce-scatter to slices of equal size, followed by an all-gather of these slices.
package final class AllReduce<Element: AdditiveArithmetic & BitwiseCopyable> {
  private let reduction: ReduceScatter<Element>
  private let gather: AllGather<Element>
  private let slices: [Range<Int>]
  private let slice: Range<Int>

  /// Creates an all-reduce of vectors of `count` numbers.
  ///
  /// - Parameters:
  ///   - microBatches: assigns micro-batches to ranks.
  ///   - world: all ranks create these objects in the same order.
  package init(count: Int, of microBatches: Partition, on world: Communicator) {
    slices = Self.slices(count, ranks: world.size)
    slice = slices[world.rank]
    reduction = ReduceScatter(of: microBatches, to: slices, on: world)
    gather = AllGather(slices, on: world)
  }

  private static func slices(_ count: Int, ranks: Int) -> [Range<Int>] {
    let partition = Partition(of: count, over: ranks)
    return (0..<ranks).map(partition.range(of:))
  }

  /// Returns the traffic of each rank for one such sum.
  package static func traffic(count: Int, of microBatches: Partition) -> [Traffic] {
    let slices = slices(count, ranks: microBatches.ranks)
    return zip(
      ReduceScatter<Element>.traffic(of: microBatches, to: slices),
      AllGather<Element>.traffic(slices)
    )
    .map { $0 + $1 }
  }

  /// Begins a sum and sends this rank's part of it. Other such objects may begin their sums before
  /// this one is finished; their waits then overlap.
  ///
  /// - Parameter make: writes the vector [n] of a micro-batch, given its index among this rank's
  ///   micro-batches.
  package func begin(
    on world: Communicator, make: (Int, UnsafeMutablePointer<Element>) -> Void
  ) throws {
    for (index, microBatch) in reduction.leaves.enumerated() {
      let vector = try reduction.begin(microBatch: microBatch, on: world)
      make(index, vector.baseAddress!)
      try reduction.advance(to: 0, on: world)
    }
  }

  /// Completes this rank's slice and sends it to the other ranks. Collective.
  ///
  /// - Parameter sum: shape [n], overwritten.
  package func scatter(into sum: UnsafeMutablePointer<Element>, on world: Communicator) throws {
    let part = try reduction.finish(on: world)
    let whole = whole(sum)
    _ = UnsafeMutableBufferPointer(rebasing: whole[slice]).update(fromContentsOf: part)
    try gather.advance(to: slice.upperBound, of: whole, on: world)
  }

  /// Waits for the other ranks' slices. Collective.
  ///
  /// - Parameter sum: the same memory as for `scatter`.
  package func finish(into sum: UnsafeMutablePointer<Element>, on world: Communicator) throws {
    try gather.finish(whole(sum), on: world)
  }

  private func whole(_ sum: UnsafeMutablePointer<Element>) -> UnsafeMutableBufferPointer<Element> {
    UnsafeMutableBufferPointer(start: sum, count: slices.last!.upperBound)
  }
}
