import CHeap
import Curvature
import LinearAlgebra
import MPI
import Optimizers
import Sharding

/// What K-FAC is said to hold on a rank is what the heap has grown by after a step: with all
/// solvers of factors, shares of the ranks that work on a layer, and keepers of the averages.
func checkKFACMemory(on world: Communicator) throws {
  let shapes = [
    KroneckerShape(inputs: 400, hasBias: true, outputs: 150, positions: 1, axis: .expand),
    KroneckerShape(inputs: 90, hasBias: false, outputs: 700, positions: 1, axis: .expand),
    KroneckerShape(inputs: 250, hasBias: true, outputs: 250, positions: 1, axis: .expand),
    KroneckerShape(blockOf: 300, isDiagonal: false),
  ]
  let (layers, d) = kfacLayers(of: shapes, apart: 0)
  let microBatches = Partition(of: 9, over: world.size)
  let partition = CellPartition(Cells(parameterCount: d), over: world.size)
  for (solver, momentum) in [(FactorSolver.eigen, 0.9), (.cholesky, 0)] {
    for (share, keepsAll) in [(1.0, false), (0.5, true), (0.001, false)] {
      var configuration = KFACConfiguration(damping: 1, momentum: momentum)
      configuration.solver = .factors(solver)
      (configuration.workerShare, configuration.keepsAllFactors) = (share, keepsAll)
      let before = heap_bytes()
      let kfac = try KFAC<Float>(
        configuration, layers: layers, microBatches: microBatches, partition: partition, on: world)
      // Sums of micro-batches are allocated while they are made.
      for microBatch in microBatches.range(of: world.rank) {
        try kfac.beginFactors(microBatch: microBatch, on: world).update(repeating: 0)
        try kfac.endFactors(on: world)
      }
      try kfac.finishFactors(on: world)
      let held = Int(heap_bytes()) - Int(before)
      let said = KFAC<Float>.bytes(
        configuration, layers: layers, microBatches: microBatches, partition: partition,
        rank: world.rank)
      // Objects, requests and the ends of blocks.
      try check(
        abs(held - said) < 65_536 + said / 100,
        "\(said) bytes of \(solver), share \(share), \(keepsAll) where the heap has \(held)")
      withExtendedLifetime(kfac) {}
    }
  }
}
