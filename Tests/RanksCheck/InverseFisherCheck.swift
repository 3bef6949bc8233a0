import Curvature
import LinearAlgebra
import MPI
import Reference
import Sharding
import Support

/// Compares all queries of the inverse of a Fisher matrix [d, d] from m gradients with a dense one.
///
/// - Parameter scale: the size of the gradients. With large ones λ disappears in the products of
///   the gradients, but with more gradients than coordinates not in the dense matrix.
func checkInverseFisher(
  _ d: Int, m: Int, scale: Float = 1, on world: Communicator
) throws -> UInt64 {
  let gradients = (0..<m).map { row in (0..<d).map { scale * random(UInt64(row), $0) } }
  let x = (0..<d).map { Double(random(300, $0)) }
  let partition = CellPartition(Cells(parameterCount: d, size: 13), over: world.size)
  let slice = partition.slice(of: world.rank)
  let rows = GradientRows(count: m, blocks: partition.cellsInSlice(of: world.rank))
  for (row, gradient) in gradients.enumerated() {
    gradient[slice].withUnsafeBufferPointer { rows.store($0, row: row) }
  }
  let counts = (0..<world.size).map { partition.slice(of: $0).count }
  let doubles = gradients.map { $0.map(Double.init) }
  var digest: UInt64 = 0
  for (damping, tolerance) in [(1, 1e-12), (1e-3, 1e-10), (1e-8, 1e-4)] {
    let inverse = try InverseFisher(
      of: rows, firstCoordinate: slice.lowerBound, damping: damping,
      fold: world.fold(over: partition))
    let dense = denseFisher(rows: doubles, capacity: m, damping: damping)
    let columns = (0..<d).map { i in dense.solve((0..<d).map { $0 == i ? 1 : 0 }) }
    let solution = dense.solve(x)

    func compare(_ local: [Double], _ expected: [Double], _ name: String) throws {
      var whole = [Double](repeating: 0, count: d)
      try world.allGather(local, counts: counts, into: &whole)
      let error = relativeError(whole, to: expected)
      try check(error < tolerance, "\(name) at λ = \(damping): \(error)")
      for number in whole { digest = digest &* 31 &+ number.bitPattern }
    }
    let local = Array(x[slice])
    try compare(
      local.withUnsafeBufferPointer { try inverse.apply(to: $0) }, solution, "F⁻¹x")
    let diagonal = (0..<d).map { columns[$0][$0] }
    try compare(try inverse.diagonal(), diagonal, "the diagonal")
    let pairs = [(0, 0), (0, d - 1), (d - 1, 0), (d / 2, 1), (d / 2, d / 2)]
    let elements = try inverse.elements(pairs.map { (row: $0.0, column: $0.1) })
    for (pair, element) in zip(pairs, elements) {
      try check(
        abs(element - columns[pair.1][pair.0]) < tolerance * diagonal.max()!,
        "element \(pair) at λ = \(damping)")
    }
    let influence = try local.withUnsafeBufferPointer { try inverse.influence(on: $0) }
    let expected = doubles.map { row in zip(row, solution).reduce(0) { $0 + $1.0 * $1.1 } }
    let error = relativeError(influence, to: expected)
    try check(error < max(tolerance, 1e-4), "influence at λ = \(damping): \(error)")
    for number in elements + influence { digest = digest &* 31 &+ number.bitPattern }
  }
  return digest
}
