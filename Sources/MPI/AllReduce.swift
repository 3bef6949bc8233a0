import Sharding

/// Sums vectors [n], one for each micro-batch, over all ranks, in the tree over the micro-batches, and
/// leaves every rank with the whole sum: the same bits at any number of ranks.
///
/// A reduce-scatter to even slices, and an all-gather of those.
public final class AllReduce {
  private let reduction: ReduceScatter
  private let gather: AllGather
  private let slices: [Range<Int>]
  private let slice: Range<Int>

  /// - Parameters:
  ///   - microBatches: who computes which.
  ///   - world: on all ranks, these objects are made in the same order.
  public init(count: Int, of microBatches: Partition, on world: Communicator) {
    slices = Self.slices(count, ranks: world.size)
    slice = slices[world.rank]
    reduction = ReduceScatter(of: microBatches, to: slices, on: world)
    gather = AllGather(slices, on: world)
  }

  private static func slices(_ count: Int, ranks: Int) -> [Range<Int>] {
    let partition = Partition(of: count, over: ranks)
    return (0..<ranks).map(partition.range(of:))
  }

  /// Bytes that these sums take on a rank, at most.
  public static func bytes(count: Int, of microBatches: Partition, rank: Int) -> Int {
    ReduceScatter.bytes(
      of: microBatches, to: slices(count, ranks: microBatches.ranks), rank: rank)
  }

  /// What each rank sends for one such sum.
  public static func traffic(count: Int, of microBatches: Partition) -> [Traffic] {
    let slices = slices(count, ranks: microBatches.ranks)
    return zip(ReduceScatter.traffic(of: microBatches, to: slices), AllGather.traffic(slices))
      .map { $0 + $1 }
  }

  /// Collective.
  ///
  /// - Parameters:
  ///   - sum: [n], the sum in the end; it is overwritten.
  ///   - make: writes the vector [n] of a micro-batch of this rank, by its place among them.
  public func total(
    into sum: UnsafeMutablePointer<Float>, on world: Communicator,
    make: (Int, UnsafeMutablePointer<Float>) -> Void
  ) throws {
    for (index, microBatch) in reduction.leaves.enumerated() {
      let vector = try reduction.begin(microBatch: microBatch, on: world)
      make(index, vector.baseAddress!)
      try reduction.advance(to: 0, on: world)
    }
    let part = try reduction.finish(on: world)
    let whole = UnsafeMutableBufferPointer(start: sum, count: slices.last!.upperBound)
    _ = UnsafeMutableBufferPointer(rebasing: whole[slice]).update(fromContentsOf: part)
    try gather.finish(whole, on: world)
  }
}
