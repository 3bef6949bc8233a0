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
  ///   - kronecker: K-FAC's, of which not every step does everything: what is sent is then the mean over
  ///     steps, rounded up.
  func traffic(
    ranks: Int, statistics: Int, kronecker: KroneckerSteps?
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
    if let kronecker {
      let load = kronecker.load(microBatches: shares, partition: partition)
      traffic.merge(kronecker.traffic(load)) { $1 }
    }
    return traffic
  }
}

/// Steps of K-FAC, of which some were measured on one rank.
struct KroneckerSteps {
  let configuration: KFAC.Configuration
  let layers: [KFAC.Layer]
  /// A multiple of their period.
  let measured: Int
  /// Of each layer that has samples, the products in these: as many as with any number of ranks.
  let products: [Int]

  func load(microBatches: Partition, partition: CellPartition) -> KFAC.Load {
    KFAC.load(configuration, layers: layers, microBatches: microBatches, partition: partition)
  }

  /// What each rank sends in the phases that are K-FAC's own, the mean over the steps.
  func traffic(_ load: KFAC.Load) -> [Phase: [Traffic]] {
    let inversions = measured / configuration.inverseEvery
    let exchange = load.inverses.indices.map { rank in
      let products = zip(load.products, products).reduce(Traffic()) { $0 + $1.0[rank] * $1.1 }
      return load.traffic[.exchange]![rank] * measured + load.inverses[rank] * inversions + products
    }
    return [
      .factors: load.traffic[.factors]!.map { $0.mean(over: configuration.stepsBetweenFactors) },
      .exchange: exchange.map { $0.mean(over: measured) },
      .inverse: load.inversions.map { $0.mean(over: configuration.inverseEvery) },
    ]
  }
}

extension Traffic {
  /// In a step, of what is sent in one of so many; rounded up.
  func mean(over steps: Int) -> Traffic {
    Traffic(
      messages: (messages + steps - 1) / steps, bytes: (bytes + steps - 1) / steps)
  }
}
