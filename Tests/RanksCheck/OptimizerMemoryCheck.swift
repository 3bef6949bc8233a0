import CHeap
import Curvature
import LinearAlgebra
import MPI
import Optimizers
import Sharding

/// Checks that the memory counted for every optimizer equals the growth of the heap.
///
/// The heap is measured after the optimizer is created and has taken statistics. Covers the
/// defaults, and for K-FAC all solvers of factors, shares of ranks for each layer, and places of
/// the averages.
func checkOptimizerMemory(on world: Communicator) throws {
  for configuration in OptimizerRegistry.all {
    try checkMemory(of: configuration.init(), on: world)
  }
  for (solver, momentum) in [(FactorSolver.eigen, 0.9), (.cholesky, 0)] {
    for (share, keepsAll) in [(1.0, false), (0.5, true), (0.001, false)] {
      var configuration = KFACConfiguration(damping: 1, momentum: momentum)
      configuration.solver = .factors(solver)
      (configuration.workerShare, configuration.keepsAllFactors) = (share, keepsAll)
      try checkMemory(of: configuration, on: world)
    }
  }
}

private func checkMemory(
  of configuration: any OptimizerConfiguration, on world: Communicator
) throws {
  let shapes = [
    KroneckerShape(inputs: 400, hasBias: true, outputs: 150, positions: 1, axis: .expand),
    KroneckerShape(inputs: 90, hasBias: false, outputs: 700, positions: 1, axis: .expand),
    KroneckerShape(inputs: 250, hasBias: true, outputs: 250, positions: 1, axis: .expand),
    KroneckerShape(blockOf: 300, isDiagonal: false),
  ]
  let (layers, d) = kfacLayers(of: shapes, apart: 0)
  let microBatches = Partition(of: 9, over: world.size)
  let context = OptimizerContext<Float>(
    partition: CellPartition(Cells(parameterCount: d), over: world.size),
    tensors: layers.map {
      ParameterTensor(
        name: $0.name, range: $0.parameters,
        role: $0.isNormalization
          ? .vector : .matrix(rows: $0.shape.b.order, columns: $0.shape.a.order))
    }, layers: layers, microBatches: microBatches)
  let before = heap_bytes()
  let optimizer = try configuration.make(context, on: world)
  if let optimizer = optimizer.layerStatistics {
    for microBatch in microBatches.range(of: world.rank) {
      try optimizer.beginFactors(microBatch: microBatch, on: world).update(repeating: 0)
      try optimizer.endFactors(on: world)
    }
    try optimizer.finishFactors(on: world)
  }
  let held = Int(heap_bytes()) - Int(before)
  let counted = try configuration.bytes(context, on: world)
  // Allows for objects, requests and the ends of blocks, and for the huge page to which large
  // memory is aligned.
  let alignment = counted < 4 << 20 ? 0 : 2 << 20
  try check(
    abs(held - counted) < 65_536 + counted / 100 + alignment,
    "\(counted) bytes of \(configuration) where the heap has \(held)")
  withExtendedLifetime(optimizer) {}
}
