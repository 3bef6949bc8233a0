import MPI
import Optimizers
import Results
import Sharding
import Training

extension Problem {
  func partition(ranks: Int) -> CellPartition {
    CellPartition(Cells(parameterCount: parameters(ranks: ranks)), over: ranks)
  }

  /// Who computes which micro-batch; nil for the optimizer alone.
  func shares(ranks: Int) -> Partition? {
    microBatches(ranks: ranks).map { Partition(of: $0, over: ranks) }
  }

  /// What each rank sends in the phases of a step, in the exchanges that the program makes of as many
  /// ranks; phases that send nothing are left out.
  ///
  /// - Parameters:
  ///   - statistics: s, running statistics of the network.
  ///   - layers: of K-FAC, of which not every step does everything: what is sent is then the mean over
  ///     steps, rounded up.
  package func traffic(
    ranks: Int, statistics: Int, layers: [KFAC.Layer] = []
  ) -> [Phase: [Traffic]] {
    let partition = partition(ranks: ranks)
    // A row of the Gram matrix, and the gradient's norm.
    let width = (window ?? 0) + 1
    var traffic: [Phase: [Traffic]] = [
      .sum: TreeSum.traffic(over: partition, width: width)
    ]
    guard let shares = shares(ranks: ranks) else { return traffic }
    let running = CellPartition(Cells(parameterCount: statistics), over: ranks)
    traffic[.loss] = TreeSum.traffic(of: shares, width: TrainingStep.lossWidth)
    traffic[.reduceScatter] = zip(
      ReduceScatter.traffic(of: shares, to: partition.slices),
      ReduceScatter.traffic(of: shares, to: running.slices)
    ).map(+)
    traffic[.allGather] = zip(
      AllGather.traffic(partition.slices),
      AllGather.traffic((0..<ranks).map(running.slice(of:)))
    ).map(+)
    if let factorEvery, let inverseEvery, let load = kfacLoad(ranks: ranks, layers: layers) {
      traffic[.factors] = load.traffic[.factors]!.map { $0.mean(over: factorEvery) }
      traffic[.exchange] = zip(
        load.traffic[.exchange]!, load.inverses.map { $0.mean(over: inverseEvery) }
      ).map(+)
    }
    return traffic
  }

  /// Of K-FAC; nil of others.
  func kfacLoad(ranks: Int, layers: [KFAC.Layer]) -> KFAC.Load? {
    guard let shares = shares(ranks: ranks), let workerShare else { return nil }
    var configuration = KFAC.Configuration()
    configuration.workerShare = workerShare
    return KFAC.load(
      configuration, layers: layers, microBatches: shares, partition: partition(ranks: ranks))
  }
}

extension Traffic {
  /// In a step, of what is sent in one of so many; rounded up.
  func mean(over steps: Int) -> Traffic {
    Traffic(
      messages: (messages + steps - 1) / steps, bytes: (bytes + steps - 1) / steps)
  }
}
