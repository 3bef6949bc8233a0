import LinearAlgebra
import MPI
import Networks
import Sharding

/// Maintains the running statistics [s] of a network's batch-norms, the same on all ranks.
///
/// Each micro-batch has statistics of its own. A step moves the running ones towards the
/// micro-batches' mean. The mean is summed in the tree over the micro-batches, and so has the same
/// bits at any number of ranks.
final class RunningStatistics<Element: Scalar> {
  /// [s]
  let values: Buffer<Element>
  private let mean: Buffer<Element>
  private let reduction: ReduceScatter<Element>
  private let gather: AllGather<Element>
  private let local: Range<Int>
  private let microBatches: Int

  init(count: Int, microBatches: Partition, on world: Communicator) {
    values = Buffer(count: count)
    mean = Buffer(count: count)
    let partition = CellPartition(Cells(parameterCount: count), over: world.size)
    reduction = ReduceScatter(of: microBatches, to: partition.slices, on: world)
    gather = AllGather(partition.slices, on: world)
    local = partition.slice(of: world.rank)
    self.microBatches = microBatches.items
  }

  /// Returns the memory for the statistics [s] of the next micro-batch.
  func begin(microBatch: Int, on world: Communicator) throws -> UnsafeMutableBufferPointer<Element>
  {
    try reduction.begin(microBatch: microBatch, on: world)
  }

  /// Ends a micro-batch, whose statistics have been written.
  func end(on world: Communicator) throws { try reduction.advance(to: 0, on: world) }

  /// Completes this rank's slice of the micro-batches' mean. Collective.
  func reduce(on world: Communicator) throws {
    let sum = try reduction.finish(on: world)
    let local = mean[local]
    for i in local.indices { local[i] = sum[i] / Element(microBatches) }
  }

  /// Moves the running statistics towards the mean. Collective.
  func finish(updating network: Network<Element>, on world: Communicator) throws {
    guard values.count > 0 else { return }
    try gather.finish(mean.all, on: world)
    network.update(state: values.all, towards: UnsafeBufferPointer(mean.all))
  }
}
