import LinearAlgebra
import Networks
import Optimizers
import Sharding

/// What a run is between two steps, on this rank.
struct RunState<Element: Scalar> {
  let network: NetworkDescription
  let parameters: Buffer<Element>
  let statistics: Buffer<Element>
  let optimizer: any ShardedOptimizer<Element>
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
