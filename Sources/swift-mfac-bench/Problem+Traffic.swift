import MPI
import Optimizers
import RunRecords
import Sharding
import Training

extension Problem {
  func partition(ranks: Int) -> CellPartition {
    CellPartition(Cells(parameterCount: parameters(ranks: ranks)), over: ranks)
  }

  /// Returns the assignment of micro-batches to ranks; nil for the optimizer alone.
  func shares(ranks: Int) -> Partition? {
    microBatches(ranks: ranks).map { Partition(of: $0, over: ranks) }
  }

  /// Returns each rank's traffic in the phases of a step with `ranks` ranks; phases without traffic
  /// are absent.
  ///
  /// - Parameters:
  ///   - statistics: s, number of running statistics of the network.
  ///   - load: the optimizer's traffic and work with `ranks` ranks.
  func traffic(
    ranks: Int, statistics: Int, load: OptimizerLoad
  ) -> [Phase: [Traffic]] {
    let partition = partition(ranks: ranks)
    var traffic = load.traffic
    guard let shares = shares(ranks: ranks) else { return traffic }
    let running = CellPartition(Cells(parameterCount: statistics), over: ranks)
    traffic[.loss] = TreeSum.traffic(of: shares, width: TrainingStep<Float>.lossWidth)
    traffic[.reduceScatter] = zip(
      ReduceScatter<Float>.traffic(of: shares, to: partition.slices),
      ReduceScatter<Float>.traffic(of: shares, to: running.slices)
    ).map(+)
    traffic[.allGather] = zip(
      AllGather<Float>.traffic(partition.slices),
      AllGather<Float>.traffic((0..<ranks).map(running.slice(of:)))
    ).map(+)
    return traffic
  }
}
