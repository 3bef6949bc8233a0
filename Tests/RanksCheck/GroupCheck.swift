import Curvature
import LinearAlgebra
import MPI
import Pruning
import Reference
import Sharding

/// Compares the costs of groups that are removed whole with dense matrices.
///
/// The groups have fewer and more weights than there are gradients, and lie on one rank or across
/// several.
func checkGroupCosts<Element: Scalar>(
  _ scalar: Element.Type, on world: Communicator
) throws -> UInt64 {
  let (d, m, damping) = (97, 7, 0.01)
  // Some coordinates belong to no group.
  let groups = [0..<4, 4..<9, 12..<19, 19..<59, 59..<60, 60..<97]
  let gradients = (0..<m).map { row in (0..<d).map { draw(UInt64(row), $0) as Element } }
  let weights = (0..<d).map { draw(100, $0) as Element }
  let partition = CellPartition(Cells(parameterCount: d, size: 13), over: world.size)
  let slices = partition.slices
  let slice = slices[world.rank]
  let rows = GradientRows(
    count: m, blocks: partition.cellsInSlice(of: world.rank), of: scalar)
  for (row, gradient) in gradients.enumerated() {
    gradient[slice].withUnsafeBufferPointer { rows.store($0, row: row) }
  }
  var digest: UInt64 = 0
  for (gradientScale, share) in [(0.0, -0.5), (0.5, -0.5), (0, -1.0 / 6), (0.5, 0.2)] {
    // The whole first group is removed.
    let removed = (0..<d).map { random(200, $0) < Float(share) || (share > 0 && $0 < 4) }
    let model = DenseRemoval(
      rows: gradients.map { $0.map { Double($0) } }, weights: weights.map { Double($0) },
      damping: damping, gradientScale: gradientScale)
    let before = model.value(model.change(removing: removed))
    let surgeon = weights[slice].withUnsafeBufferPointer {
      BrainSurgeon(
        rows: rows, partition: partition, weights: $0, damping: damping,
        gradientScale: gradientScale, rank: world.rank)
    }
    let local = try surgeon.costs(
      ofGroups: groups, removing: Array(removed[slice]), slices: slices, on: world)
    var costs = [Double](repeating: 0, count: d)
    try world.allGather(local, counts: slices.map(\.count), into: &costs)
    for (i, cost) in costs.enumerated() {
      var without = removed
      if let group = groups.first(where: { $0.lowerBound == i }) {
        for member in group { without[member] = true }
      }
      // The cost is zero at places other than a group's begin, and for groups without weights left.
      let exact = model.value(model.change(removing: without)) - before
      try check((cost - exact).magnitude < 1e-9, "cost at \(i): \(cost) for \(exact)")
      digest = digest &* 31 &+ cost.bitPattern
    }
  }
  return digest
}
