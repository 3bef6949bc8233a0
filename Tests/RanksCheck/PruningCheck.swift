import Curvature
import MPI
import Pruning
import Reference
import Sharding

/// Removal of a third of d weights by m gradients, with all updates, held against dense matrices.
///
/// - Parameters:
///   - blockSize: where F is taken block by block; else it is taken whole, from blocks of 13.
///   - restarts: where blocks begin anew.
func checkPruning(
  _ d: Int, blockSize: Int?, restartingAt restarts: [Int] = [0], on world: Communicator
) throws -> UInt64 {
  let (m, damping, width) = (7, 0.01, blockSize ?? 13)
  let gradients = (0..<m).map { row in (0..<d).map { random(UInt64(row), $0) } }
  let weights = (0..<d).map { random(100, $0) }
  let removed = (0..<d).map { random(200, $0) < -1.0 / 6 }
  let cells = Cells(parameterCount: d, size: width, restartingAt: restarts)
  let partition = CellPartition(cells, over: world.size)
  let slice = partition.slice(of: world.rank)
  let rows = GradientRows(count: m, blocks: partition.cellsInSlice(of: world.rank))
  for (row, gradient) in gradients.enumerated() {
    gradient[slice].withUnsafeBufferPointer { rows.store($0, row: row) }
  }
  var digest: UInt64 = 0
  for gradientScale in [0, 0.5] {
    let surgeon = weights[slice].withUnsafeBufferPointer {
      BrainSurgeon(
        rows: rows, partition: partition, weights: $0, damping: damping,
        gradientScale: gradientScale, isBlockwise: blockSize != nil, rank: world.rank)
    }
    // The truth, of each block or of the whole.
    let parts = blockSize == nil ? [0..<d] : (0..<cells.count).map(cells.range(of:))
    let models = parts.map { part in
      DenseRemoval(
        rows: gradients.map { $0[part].map(Double.init) }, weights: weights[part].map(Double.init),
        damping: damping, gradientScale: gradientScale)
    }
    let changes = zip(parts, models).map { $1.change(removing: Array(removed[$0])) }
    let value = zip(models, changes).reduce(0) { $0 + $1.0.value($1.1) }

    let own = Array(removed[slice])
    let joint = try surgeon.update(.joint, removing: own, on: world)
    try check((joint.prediction! - value).magnitude < 1e-9, "\(joint.prediction!) for \(value)")
    let exact = changes.flatMap { $0 }
    let coordinates = try surgeon.coordinates(removing: own, on: world)
    for (k, i) in slice.enumerated() {
      let expected = Double(weights[i]) + exact[i]
      try check((Double(joint.weights[k]) - expected).magnitude < 1e-6, "weight \(i)")
      try check(removed[i] || (coordinates[k].weight - expected).magnitude < 1e-9, "own \(i)")
      if removed[i] { try check(joint.weights[k] == 0, "removed \(i)") }
    }
    var updates = [joint.weights]
    if gradientScale == 0 {
      let single = zip(parts, models).flatMap { $1.independentChange(removing: Array(removed[$0])) }
      let independent = try surgeon.update(.independent, removing: own, on: world).weights
      for (k, i) in slice.enumerated() {
        let expected = Double(weights[i]) + single[i]
        try check((Double(independent[k]) - expected).magnitude < 1e-5, "alone, weight \(i)")
      }
      updates.append(independent)
    }
    let none = try surgeon.update(.none, removing: own, on: world).weights
    for (k, i) in slice.enumerated() {
      try check(none[k] == (removed[i] ? 0 : weights[i]), "left alone, weight \(i)")
    }
    // The same bits at any number of ranks.
    for update in updates {
      var bits = [Double](repeating: 0, count: d)
      try world.allGather(
        update.map(Double.init),
        counts: (0..<world.size).map { partition.slice(of: $0).count }, into: &bits)
      for number in bits { digest = digest &* 31 &+ number.bitPattern }
    }
    digest = digest &* 31 &+ joint.prediction!.bitPattern
  }
  return digest
}
