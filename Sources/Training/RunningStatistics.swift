import LinearAlgebra
import MPI
import Networks
import Sharding

/// The running statistics [s] of a network's batch-norms, the same on all ranks.
///
/// Each micro-batch has statistics of its own; a step moves the running ones towards their mean, which
/// is summed in the tree over the micro-batches and so the same bits at any number of ranks.
final class RunningStatistics {
  /// [s]
  let values: Buffer<Float>
  private let mean: Buffer<Float>
  private let reduction: ReduceScatter
  private let slices: [Range<Int>]
  private let microBatches: Int

  init(count: Int, microBatches: Partition, on world: Communicator) {
    values = Buffer(count: count)
    mean = Buffer(count: count)
    let partition = CellPartition(Cells(parameterCount: count), over: world.size)
    reduction = ReduceScatter(of: microBatches, to: partition, rank: world.rank)
    slices = (0..<world.size).map(partition.slice(of:))
    self.microBatches = microBatches.items
  }

  /// Bytes that they take on a rank.
  static func bytes(count: Int, microBatches: Partition, on world: Communicator) -> Int {
    let partition = CellPartition(Cells(parameterCount: count), over: world.size)
    return 8 * count + ReduceScatter.bytes(of: microBatches, to: partition, rank: world.rank)
  }

  /// Adds the statistics [s] of the next micro-batch, which `compute` writes. Local.
  func add(microBatch: Int, _ compute: (UnsafeMutableBufferPointer<Float>) -> Void) {
    reduction.add(microBatch: microBatch, compute)
  }

  /// Takes the micro-batches' statistics into the running ones, or drops them. Collective.
  func finish(updating network: Network<Float>, keep: Bool, on world: Communicator) throws {
    let slice = try reduction.finish(on: world)
    guard keep, values.count > 0 else { return }
    let own = mean[slices[world.rank]]
    for i in own.indices { own[i] = slice[i] / Float(microBatches) }
    try world.allGather(mean.all, slices: slices)
    network.update(state: values.all, towards: UnsafeBufferPointer(mean.all))
  }
}
