import LinearAlgebra
import Networks
import Optimizers
import Sharding

/// What a run is between two steps, on this rank.
struct RunState {
  let network: NetworkDescription
  let parameters: Buffer<Float>
  let statistics: Buffer<Float>
  let optimizer: any ShardedOptimizer
  var masks: Masks?
  let partition: CellPartition
  let rank: Int

  /// Those of this rank.
  var cells: Range<Int> { partition.cells(of: rank) }

  /// The kinds of files that hold cells, and each own cell's arrays.
  func families(hasWindow: Bool) -> [(name: String, cells: [[StoredArray]])] {
    let state = optimizer.state
    return [("window", hasWindow ? state.window : []), ("momentum", state.momentum)]
      .filter { !$0.1.isEmpty }
  }
}
