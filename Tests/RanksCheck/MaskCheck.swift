import Curvature
import LinearAlgebra
import MPI
import Optimizers
import Reference
import Sharding
import Support

/// Checks masks that change between steps against plain numbers. Removed parameters leave the
/// window and the momenta; those that return begin with zeros there.
func checkMasks(_ d: Int, on world: Communicator) throws -> UInt64 {
  let masks: [Int: (Int) -> Bool] = [
    3: { $0 % 3 == 0 }, 6: { $0 % 3 == 0 || $0 % 5 == 1 }, 9: { $0 % 4 == 1 && $0 < d / 2 },
  ]
  let (m, damping, momentum) = (4, 1e-2, 0.5)
  let partition = CellPartition(Cells(parameterCount: d), over: world.size)
  let mfac = Stepper(
    {
      ShardedMFAC<Float>(
        MFACConfiguration.published(window: m, damping: damping, momentum: momentum), partition: $0,
        rank: $1)
    }, start(d), on: world)
  let sgd = Stepper(
    { SGD<Float>(momentum: momentum, weightDecay: .coupled(0.125), partition: $0, rank: $1) },
    start(d), on: world)
  let adamw = Stepper(
    { AdamW<Float>(weightDecay: .decoupled(0.125), partition: $0, rank: $1) }, start(d), on: world)
  let steppers = [mfac, sgd, adamw]
  var staysZero = [Bool](repeating: false, count: d)
  var rows = [[Double]](repeating: [], count: m)
  var (velocity, v) = ([Double](repeating: 0, count: d), [Float](repeating: 0, count: d))
  for t in 0..<12 {
    if let isRemoved = masks[t] {
      staysZero = (0..<d).map(isRemoved)
      let groups = ParameterGroups().keepingZero(staysZero)
      for stepper in steppers {
        for i in 0..<d where staysZero[i] { stepper.parameters.pointer[i] = 0 }
        try stepper.optimizer.updateZeros(groups, partition: partition, on: world)
      }
      for i in 0..<d where staysZero[i] {
        (velocity[i], v[i]) = (0, 0)
        for row in rows.indices where !rows[row].isEmpty { rows[row][i] = 0 }
      }
    }
    let given = gradient(t, d)
    let g = (0..<d).map { staysZero[$0] ? 0 : Double(given[$0]) }
    rows[t % m] = g
    let before = Array(sgd.parameters.all)
    let (outcome, change) = try mfac.step(given, learningRate: 0.25)
    try check(abs(outcome.gradientNorm / norm(g) - 1) < 1e-12, "norm under a mask")
    let exact = exactDirection(
      rows: rows.filter { !$0.isEmpty }, slot: t % m, capacity: m, damping: damping)
    velocity = zip(velocity, exact).map { 0.5 * $0 + 0.5 * $1 }
    let error = relativeError(change, to: velocity.map { -0.25 * $0 })
    // Parameters and their change are rounded to single precision.
    try check(error < 1e-5, "direction under a mask at step \(t) of \(d), error \(error)")
    _ = try sgd.step(given, learningRate: 0.25)
    _ = try adamw.step(given, learningRate: 0.25)
    for i in 0..<d where !staysZero[i] {
      v[i] = Float(momentum) * v[i] + (given[i] + 0.125 * before[i])
      try check(
        sgd.parameters.pointer[i] == before[i] - 0.25 * v[i], "SGD's parameter \(i) at step \(t)")
    }
    for stepper in steppers {
      for i in 0..<d where staysZero[i] {
        try check(stepper.parameters.pointer[i].bitPattern == 0, "parameter \(i) is zero no more")
      }
      try checkStateIsZero(of: stepper.optimizer, where: staysZero, partition, on: world)
    }
  }
  return try checkStoredForms(d, staysZero, on: world, steppers.reduce(0) { $1.digest($0) })
}

/// Checks that momenta are zero for parameters that stay zero.
private func checkStateIsZero(
  of optimizer: any ShardedOptimizer<Float>, where staysZero: [Bool], _ partition: CellPartition,
  on world: Communicator
) throws {
  for (cell, arrays) in zip(partition.cells(of: world.rank), optimizer.state.momentum) {
    let range = partition.cells.range(of: cell)
    for array in arrays {
      var numbers = [Float](repeating: 1, count: range.count)
      numbers.withUnsafeMutableBytes(array.save)
      for (i, number) in zip(range, numbers) where staysZero[i] {
        try check(number == 0, "\(array.name) of parameter \(i) is \(number)")
      }
    }
  }
}

/// Checks windows of other forms: after a change of columns, K is that of the stored rows.
private func checkStoredForms(
  _ d: Int, _ staysZero: [Bool], on world: Communicator, _ digest: UInt64
) throws -> UInt64 {
  var digest = digest
  let partition = CellPartition(Cells(parameterCount: d), over: world.size)
  for form in [
    WindowForm(type: .bfloat16), WindowForm(density: 0.2),
    WindowForm(type: .bfloat16, density: 0.1),
  ] {
    let mfac = Stepper(
      {
        ShardedMFAC<Float>(
          MFACConfiguration.published(window: 3, windowForm: form, damping: 1e-2), partition: $0,
          rank: $1)
      }, start(d), on: world)
    for t in 0..<8 {
      if t == 5 {
        for i in 0..<d where staysZero[i] { mfac.parameters.pointer[i] = 0 }
        try mfac.optimizer.updateZeros(
          ParameterGroups().keepingZero(staysZero), partition: partition, on: world)
        let fisher = (mfac.optimizer as! ShardedMFAC<Float>).fisher
        var sums = [Double](repeating: 0, count: 9)
        for cell in fisher.window.cells.indices {
          var unit = [Double](repeating: 0, count: 3)
          let rows = (0..<3).map { slot in
            unit = unit.indices.map { $0 == slot ? 1 : 0 }
            var row: [Double] = []
            fisher.window.combine(unit) { range, numbers in
              if range == fisher.window.cells[cell] { row = Array(numbers) }
            }
            return row
          }
          for i in 0..<9 {
            sums[i] += zip(rows[i / 3], rows[i % 3]).reduce(0) { $0 + $1.0 * $1.1 }
          }
        }
        for i in 0..<9 {
          let all = try world.allGather(sums[i]).reduce(0, +)
          // A sum of d products in another order.
          try check(abs(all - fisher.gram[i]) < 1e-12 * Double(d), "K of a window in \(form)")
        }
      }
      _ = try mfac.step(gradient(t, d), learningRate: 0.25)
    }
    digest = mfac.digest(digest)
  }
  return digest
}
