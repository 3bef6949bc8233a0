import Curvature
import Formats
import LinearAlgebra
import MPI
import Pruning
import Reference
import Sharding
import Support

/// Compares the removal of a third of d weights by m gradients, with all updates, with dense
/// matrices.
///
/// - Parameters:
///   - blockSize: the size of F's blocks; nil takes F whole, from blocks of 13.
///   - restarts: the places at which blocks restart.
func checkPruning<Element: Scalar>(
  _ d: Int, blockSize: Int?, restartingAt restarts: [Int] = [0], _ scalar: Element.Type,
  on world: Communicator
) throws -> UInt64 {
  let (m, damping, width) = (7, 0.01, blockSize ?? 13)
  let gradients = (0..<m).map { row in (0..<d).map { draw(UInt64(row), $0) as Element } }
  let weights = (0..<d).map { draw(100, $0) as Element }
  // Weights are rounded to their scalar.
  let tolerance = 1e-6 * Double(Element.ulpOfOne / 0x1p-23)
  let removed = (0..<d).map { random(200, $0) < -1.0 / 6 }
  let cells = Cells(parameterCount: d, size: width, restartingAt: restarts)
  let partition = CellPartition(cells, over: world.size)
  let slice = partition.slice(of: world.rank)
  let rows = GradientRows(
    count: m, blocks: partition.cellsInSlice(of: world.rank), of: scalar)
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
    // The dense solution, for each block or for the whole.
    let parts = blockSize == nil ? [0..<d] : (0..<cells.count).map(cells.range(of:))
    let models = parts.map { part in
      DenseRemoval(
        rows: gradients.map { $0[part].map { Double($0) } },
        weights: weights[part].map { Double($0) },
        damping: damping, gradientScale: gradientScale)
    }
    let changes = zip(parts, models).map { $1.change(removing: Array(removed[$0])) }
    let value = zip(models, changes).reduce(0) { $0 + $1.0.value($1.1) }

    let local = Array(removed[slice])
    let joint = try surgeon.update(.joint, removing: local, on: world)
    try check((joint.prediction! - value).magnitude < 1e-9, "\(joint.prediction!) for \(value)")
    let exact = changes.flatMap { $0 }
    let coordinates = try surgeon.coordinates(removing: local, on: world)
    for (k, i) in slice.enumerated() {
      let expected = Double(weights[i]) + exact[i]
      try check(
        (Double(joint.weights[k]) - expected).magnitude < max(tolerance, 1e-11), "weight \(i)")
      try check(removed[i] || (coordinates[k].weight - expected).magnitude < 1e-9, "own \(i)")
      if removed[i] { try check(joint.weights[k] == 0, "removed \(i)") }
    }
    var updates = [joint.weights]
    if gradientScale == 0 {
      let single = zip(parts, models).flatMap { $1.independentChange(removing: Array(removed[$0])) }
      let independent = try surgeon.update(.independent, removing: local, on: world).weights
      for (k, i) in slice.enumerated() {
        let expected = Double(weights[i]) + single[i]
        try check(
          (Double(independent[k]) - expected).magnitude < max(10 * tolerance, 1e-11),
          "alone, weight \(i)")
      }
      updates.append(independent)
    }
    let none = try surgeon.update(.none, removing: local, on: world).weights
    for (k, i) in slice.enumerated() {
      try check(none[k] == (removed[i] ? 0 : weights[i]), "left alone, weight \(i)")
    }
    // The same bits for any number of ranks.
    for update in updates {
      var bits = [Double](repeating: 0, count: d)
      try world.allGather(
        update.map { Double($0) },
        counts: (0..<world.size).map { partition.slice(of: $0).count }, into: &bits)
      for number in bits { digest = digest &* 31 &+ number.bitPattern }
    }
    digest = digest &* 31 &+ joint.prediction!.bitPattern
  }
  return digest
}

/// Checks masks by exchange and thresholding, and judged candidates, for d weights with m
/// gradients.
///
/// Compares their model's minimum with dense matrices; the bits are the same for any number of
/// ranks.
func checkMaskSearch<Element: Scalar>(
  _ d: Int, scope: Selection.Scope, maximumTensorSparsity: Double, _ scalar: Element.Type,
  on world: Communicator
) throws -> UInt64 {
  let (m, damping, sparsity) = (9, 0.01, 0.6)
  // The shared part makes the weights interact.
  let gradients = (0..<m).map { row in
    (0..<d).map { draw(UInt64(row), $0) + 2 * draw(300, row) * draw(301, $0) as Element }
  }
  let weights = (0..<d).map { draw(100, $0) as Element }
  let partition = CellPartition(Cells(parameterCount: d, size: 13), over: world.size)
  let slice = partition.slice(of: world.rank)
  let rows = GradientRows(
    count: m, blocks: partition.cellsInSlice(of: world.rank), of: scalar)
  for (row, gradient) in gradients.enumerated() {
    gradient[slice].withUnsafeBufferPointer { rows.store($0, row: row) }
  }
  let cuts = [0, d / 3, d / 2, d]
  let tensors = zip(cuts, cuts.dropFirst()).map { start, end in
    WeightTensor(
      name: "\(start)", shape: [end - start], range: start..<end, isPrunable: start != cuts[1])
  }
  let selection = try Selection(
    of: tensors, scope: scope, maximumTensorSparsity: maximumTensorSparsity)
  // One weight is removed before.
  let before = Mask(slice: slice, isKept: slice.map { $0 != 4 })
  let truth = DenseRemoval(
    rows: gradients.map { $0.map { Double($0) } }, weights: weights.map { Double($0) },
    damping: damping, gradientScale: 0)
  /// Returns the numbers of all ranks.
  func gather(_ local: [Double]) throws -> [Double] {
    var all = [Double](repeating: 0, count: d)
    try world.allGather(
      local, counts: (0..<world.size).map { partition.slice(of: $0).count }, into: &all)
    return all
  }
  func value(_ mask: Mask) throws -> Double {
    let removed = try gather(mask.isKept.map { $0 ? 0 : 1 }).map { $0 == 1 }
    for tensor in tensors {
      let count = tensor.range.count { removed[$0] }
      try check(tensor.isPrunable || count == 0, "tensor \(tensor.name) lost \(count)")
      try check(
        Double(count) <= maximumTensorSparsity * Double(tensor.range.count),
        "tensor \(tensor.name) lost \(count)")
      if scope == .uniform, tensor.isPrunable {
        try check(
          (Double(count) - sparsity * Double(tensor.range.count)).magnitude <= 1,
          "tensor \(tensor.name) lost \(count)")
      }
    }
    try check(removed[4], "a weight came back")
    let count = removed.count { $0 }
    try check(
      count == Int((sparsity * Double(selection.prunableCount)).rounded()), "\(count) removed")
    return truth.value(truth.change(removing: removed))
  }

  var digest: UInt64 = 0
  var values: [Double] = []
  // No candidate sees these five rows.
  let others = (0..<5).map { row in (0..<d).map { draw(UInt64(400 + row), $0) as Element } }
  let otherRows = GradientRows(
    count: 5, blocks: partition.cellsInSlice(of: world.rank), of: scalar)
  for (row, gradient) in others.enumerated() {
    gradient[slice].withUnsafeBufferPointer { otherRows.store($0, row: row) }
  }
  let judge = weights[slice].withUnsafeBufferPointer {
    HeldOutRows(
      rows: otherRows, weights: $0, gradientScale: 0.5, partition: partition, rank: world.rank)
  }
  let one = ModelCandidates(dampings: [damping])
  let several = ModelCandidates(
    dampings: [damping, 0.1, 1], gradientScales: [0, 0.2], steps: [0.5, 1])
  for (improvement, candidates) in [
    (.none, one), (.exchange, one), (.thresholding, one), (.none, several), (.exchange, several),
  ] as [(SelectionPlan.Improvement, ModelCandidates)] {
    let criterion = PruningCriterion(
      .mfac, by: rows, partition: partition, update: .joint, rank: world.rank)
    let plan = SelectionPlan(
      selection, partition: partition, parts: 2, schedule: .list([0.4, sparsity]),
      candidates: candidates, improvement: improvement, measuresCondition: true)
    let pruned = Buffer<Element>(count: slice.count)
    _ = pruned.all.update(fromContentsOf: weights[slice])
    before.apply(to: pruned.all)
    let stage = try plan.prune(
      pruned.all, from: 0, to: sparsity, after: before, by: criterion, judge: judge, on: world)
    values.append(try value(stage.mask))
    if let choice = stage.choice {
      let losses = choice.candidates.map(\.loss)
      try check(losses.count == 72, "\(losses.count) candidates")
      try check(choice.chosen == losses.firstIndex(of: losses.min()!), "another was chosen")
      let loss = try judge.loss(of: UnsafeBufferPointer(pruned.all), on: world)
      try check(loss == losses[choice.chosen], "\(loss) for \(losses[choice.chosen])")
      let model = DenseRemoval(
        rows: others.map { $0.map { Double($0) } }, weights: weights.map { Double($0) }, damping: 0,
        gradientScale: 0.5)
      let exact = model.value(
        zip(try gather(pruned.all.map { Double($0) }), weights).map { $0 - Double($1) })
      try check((loss - exact).magnitude < 1e-9 * max(exact.magnitude, 1), "\(loss) for \(exact)")
      for loss in losses { digest = digest &* 31 &+ loss.bitPattern }
    }
    for number in try gather(pruned.all.map { Double($0) }) {
      digest = digest &* 31 &+ number.bitPattern
    }
    digest = digest &* 31 &+ (stage.prediction ?? 0).bitPattern
    digest = digest &* 31 &+ (stage.condition ?? 0).bitPattern
  }
  for value in values[1...2] { try check(value <= values[0], "from \(values[0]) to \(value)") }
  return digest
}

/// Writes the kept weights in compressed rows and reads them back: the same numbers, in their type.
func checkSparseFile<Element: Scalar>(
  _ type: TensorType, _ scalar: Element.Type, on world: Communicator
) throws {
  let d = 60
  let tensors = [
    WeightTensor(name: "w", shape: [5, 9], range: 0..<45, isPrunable: true),
    WeightTensor(name: "b", shape: [15], range: 45..<d, isPrunable: false),
  ]
  func isKept(_ i: Int) -> Bool { i >= 45 || i % 3 != 0 }
  let partition = CellPartition(Cells(parameterCount: d, size: 7), over: world.size)
  let slice = partition.slice(of: world.rank)
  let mask = Mask(slice: slice, isKept: slice.map(isKept))
  let weights = Buffer<Element>(count: d)
  for i in 0..<d where isKept(i) { weights.pointer[i] = draw(100, i) }
  let directory = world.rank == 0 ? try TemporaryDirectory() : nil
  defer { withExtendedLifetime(directory) {} }
  let path = directory?.path("sparse") ?? ""
  try mask.writeSparse(
    of: tensors, weights: UnsafeBufferPointer(weights.all), others: [], slices: partition.slices,
    to: path, on: world)
  guard world.rank == 0 else { return }
  let file = try SafetensorsFile(path: path)
  for name in ["w.values", "b"] { try check(file.tensor(name)?.dtype == type, "type of \(name)") }
  let values = try file.values("w.values", as: scalar) + file.values("b", as: scalar)
  try check(values == (0..<d).filter(isKept).map { weights.pointer[$0] }, "values of a sparse file")
}

/// Checks removals by gradients so large that λ disappears: all updates and costs, whole and block
/// by block, with more and with fewer coordinates than gradients. The update's slope, `λδ +
/// Gᵀ(Gδ)/m`, is zero in the kept weights.
func checkLostDigits(_ d: Int, scale: Float, on world: Communicator) throws -> UInt64 {
  let (m, damping) = (7, 1e-4)
  let gradients = (0..<m).map { row in (0..<d).map { scale * random(UInt64(row), $0) } }
  let weights = (0..<d).map { random(100, $0) }
  let removed = (0..<d).map { random(200, $0) < -1.0 / 6 }
  let partition = CellPartition(Cells(parameterCount: d, size: 13), over: world.size)
  let slice = partition.slice(of: world.rank)
  let rows = GradientRows(count: m, blocks: partition.cellsInSlice(of: world.rank))
  for (row, gradient) in gradients.enumerated() {
    gradient[slice].withUnsafeBufferPointer { rows.store($0, row: row) }
  }
  let counts = (0..<world.size).map { partition.slice(of: $0).count }
  func whole(_ local: [Double]) throws -> [Double] {
    var all = [Double](repeating: 0, count: d)
    try world.allGather(local, counts: counts, into: &all)
    return all
  }
  var digest: UInt64 = 0
  for isBlockwise in [false, true] {
    let surgeon = weights[slice].withUnsafeBufferPointer {
      BrainSurgeon(
        rows: rows, partition: partition, weights: $0, damping: damping, isBlockwise: isBlockwise,
        rank: world.rank)
    }
    let local = Array(removed[slice])
    let joint = try surgeon.update(.joint, removing: local, measuresCondition: true, on: world)
    try check(joint.condition == nil, "a condition of rounding")
    let models = [damping, 1].map { SurgeonModel.Settings(damping: $0, gradientScale: 0) }
    let costs = try surgeon.costs(removing: local, for: models, on: world)
    let coordinates = try surgeon.coordinates(removing: local, on: world)
    for (i, (cost, coordinate)) in zip(costs[0], coordinates).enumerated() where !local[i] {
      try check((cost / coordinate.cost - 1).magnitude < 1e-9, "\(cost) for \(coordinate.cost)")
    }
    let updates = try surgeon.jointUpdates(removing: local, for: models, steps: [1], on: world)
    try check(updates[0].weights == joint.weights, "another update among several")
    let independent = try surgeon.update(.independent, removing: local, on: world).weights
    let numbers =
      try whole(joint.weights.map(Double.init)) + whole(coordinates.map(\.cost))
      + whole(independent.map(Double.init))
    for number in numbers + [joint.prediction!] { digest = digest &* 31 &+ number.bitPattern }

    // Rounding the weights changes the slope in proportion to their curvature.
    let parts = isBlockwise ? (0..<partition.cells.count).map(partition.cells.range(of:)) : [0..<d]
    for part in parts {
      let change = part.map { numbers[$0] - Double(weights[$0]) }
      let products = gradients.map { row in
        zip(part, change).reduce(0) { $0 + Double(row[$1.0]) * $1.1 }
      }
      let sizes = gradients.map { row in
        part.reduce(0) { $0 + abs(Double(row[$1]) * numbers[$1]) * 0x1p-23 }
      }
      for (i, change) in zip(part, change) where !removed[i] {
        var (slope, size) = (damping * change, 1e-12)
        for row in 0..<m {
          slope += Double(gradients[row][i]) * products[row] / Double(m)
          size += abs(Double(gradients[row][i])) * sizes[row] / Double(m)
        }
        try check(abs(slope) <= size, "slope \(slope) at \(i), of rounding \(size)")
      }
    }
  }
  return digest
}
