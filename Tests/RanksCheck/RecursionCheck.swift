import Curvature
import MPI
import Pruning
import Reference
import Sharding

/// Compares saliencies and independent updates with the published recursions: WoodFisher's on each
/// block, M-FAC's on the whole matrix.
///
/// - Parameter blockSize: the size of F's blocks; nil takes F whole.
func checkRecursions(blockSize: Int?, on world: Communicator) throws {
  let (d, m, damping) = (200, 20, 1e-3)
  let gradients = (0..<m).map { row in (0..<d).map { random(UInt64(row), $0) } }
  let weights = (0..<d).map { random(100, $0) }
  let removed = (0..<d).map { random(200, $0) < -0.1 }
  let cells = Cells(parameterCount: d, size: blockSize ?? 13)
  let partition = CellPartition(cells, over: world.size)
  let slice = partition.slice(of: world.rank)
  let rows = GradientRows(count: m, blocks: partition.cellsInSlice(of: world.rank))
  for (row, gradient) in gradients.enumerated() {
    gradient[slice].withUnsafeBufferPointer { rows.store($0, row: row) }
  }
  let surgeon = weights[slice].withUnsafeBufferPointer {
    BrainSurgeon(
      rows: rows, partition: partition, weights: $0, damping: damping,
      isBlockwise: blockSize != nil, rank: world.rank)
  }
  let nothing = [Bool](repeating: false, count: slice.count)
  let saliencies = try surgeon.coordinates(removing: nothing, on: world).map(\.cost)
  let updated = try surgeon.update(.independent, removing: Array(removed[slice]), on: world).weights

  // The recursions give [F⁻¹]ᵢᵢ, and the weights minus w_q/[F⁻¹]_qq of F⁻¹e_q for each removed q.
  var diagonal = [Double](repeating: 0, count: d)
  var expected = weights.map(Double.init)
  func withhold(_ part: Range<Int>, _ element: (Int) -> Double, _ column: (Int) -> [Double]) {
    for i in part { diagonal[i] = element(i - part.lowerBound) }
    for q in part where removed[q] {
      let scale = Double(weights[q]) / diagonal[q]
      for (i, number) in zip(part, column(q - part.lowerBound)) { expected[i] -= scale * number }
    }
  }
  if blockSize == nil {
    let recursion = MFACRecursion(
      rows: gradients.map { $0.map(Double.init) }, damping: damping)
    withhold(0..<d, recursion.diagonal) { q in
      recursion.inverseProduct((0..<d).map { $0 == q ? 1 : 0 })
    }
  } else {
    for part in (0..<cells.count).map(cells.range(of:)) {
      let inverse = woodFisherInverse(
        rows: gradients.map { $0[part].map(Double.init) }, damping: damping)
      withhold(part, { inverse[$0, $0] }, { q in (0..<part.count).map { inverse[$0, q] } })
    }
  }
  for (k, i) in slice.enumerated() {
    let saliency = Double(weights[i]) * Double(weights[i]) / (2 * diagonal[i])
    try check(
      (saliencies[k] - saliency).magnitude <= 1e-8 * saliency,
      "saliency \(i), \(saliencies[k]) for \(saliency)")
    guard !removed[i] else { continue }
    // The error in single precision.
    let error = (Double(updated[k]) - expected[i]).magnitude
    try check(
      error <= Double(Float(expected[i]).ulp) / 2 + 1e-8 * expected[i].magnitude,
      "weight \(i), \(updated[k]) for \(expected[i])")
  }
}
