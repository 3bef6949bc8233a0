import Curvature
import Glibc
import LinearAlgebra
import MPI
import Optimizers
import Pruning
import RandomNumbers
import Reference
import Sharding
import Support

// The end-to-end tests run this program under mpirun: `swift test` cannot run collectives itself,
// since each process has another order of tests.
//
// Each check compares a collective with a plain computation. Rank 0 prints `name digest` lines,
// which must not depend on the number of ranks.

func random(_ stream: UInt64, _ index: Int) -> Float {
  draw(stream, index)
}

/// Returns the same number as a scalar.
func draw<Element: Scalar>(_ stream: UInt64, _ index: Int) -> Element {
  Element(CounterRandom(seed: 5, stream: stream).uniform(at: UInt64(index)) - 0.5)
}

func check(_ holds: Bool, _ what: String) throws {
  guard holds else { throw Wrong(what) }
}

struct Wrong: Error, CustomStringConvertible {
  let description: String
  init(_ what: String) { description = "wrong: \(what)" }
}

/// The digests of the results, by name, in the order of the checks.
struct Digests {
  private var lines: [(name: String, digest: UInt64)] = []

  subscript(name: String) -> UInt64? {
    get { lines.first { $0.name == name }?.digest }
    set {
      precondition(newValue != nil && self[name] == nil, "a second digest of \(name)")
      lines.append((name, newValue!))
    }
  }

  func print() {
    for (name, digest) in lines { Swift.print(name, String(digest, radix: 16)) }
  }
}

func checkSums(_ d: Int, on world: Communicator) throws -> UInt64 {
  let partition = CellPartition(Cells(parameterCount: d), over: world.size)
  let local = partition.cells(of: world.rank)
  let partials = Buffer<Double>(count: local.count * 3)
  func value(_ cell: Int, _ k: Int) -> Double { Double(random(UInt64(k), cell)) * 1e3 }
  for (row, cell) in local.enumerated() {
    for k in 0..<3 { partials.pointer[row * 3 + k] = value(cell, k) }
  }
  let total = try TreeSum(partition, rank: world.rank).total(
    of: partials.all, width: 3, on: world)
  var digest: UInt64 = 0
  for k in 0..<3 {
    let plain = (0..<partition.cells.count).reduce(0) { $0 + value($1, k) }
    // The order of additions, for numbers up to 500.
    try check(abs(total[k] - plain) < 1e-9, "sum over \(partition.cells.count) cells")
    digest = digest &* 31 &+ total[k].bitPattern
  }
  return digest
}

func checkReduceScatter(_ d: Int, microBatches: Int, on world: Communicator) throws -> UInt64 {
  let partition = CellPartition(Cells(parameterCount: d), over: world.size)
  let shares = Partition(of: microBatches, over: world.size)
  let reduction = ReduceScatter<Float>(of: shares, to: partition.slices, on: world)
  let whole = Buffer<Float>(count: d)
  let slices = partition.slices
  var digest: UInt64 = 0
  // Twice: the second sum must not depend on the first.
  for round in 0..<2 {
    func value(_ microBatch: Int, _ i: Int) -> Float {
      random(UInt64(100 + microBatch), i + round)
    }
    for microBatch in reduction.leaves {
      let vector = try reduction.begin(microBatch: microBatch, on: world)
      // Adds pieces from the end, of a size that is no block's and no slice's.
      for start in stride(from: (d - 1) / 7 * 7, through: 0, by: -7) {
        for i in start..<min(start + 7, d) { vector[i] = value(microBatch, i) }
        try reduction.advance(to: start, on: world)
      }
    }
    let slice = try reduction.finish(on: world)
    _ = whole[slices[world.rank]].update(fromContentsOf: slice)
    try world.allGather(whole.all, slices: slices)
    for i in 0..<d {
      let plain = (0..<microBatches).reduce(0) { $0 + Double(value($1, i)) }
      // Single precision, for numbers up to half the count.
      try check(abs(Double(whole.pointer[i]) - plain) < 1e-5, "micro-batch sum at \(i) of \(d)")
      digest = digest &* 31 &+ UInt64(whole.pointer[i].bitPattern)
    }
  }
  return digest
}

/// Compares the sharded direction and inverse product with dense double precision; includes a
/// gradient that is not finite on one rank alone.
func checkMFAC(_ d: Int, on world: Communicator) throws -> UInt64 {
  let partition = CellPartition(Cells(parameterCount: d), over: world.size)
  let slice = partition.slice(of: world.rank)
  let slices = partition.slices
  let (m, damping) = (5, 1e-2)
  let mfac = ShardedMFAC<Float>(
    MFACConfiguration.published(window: m, damping: damping), partition: partition, rank: world.rank
  )
  let parameters = Buffer<Float>(count: d)
  let result = Buffer<Float>(count: d)
  let clock = PhaseClock()

  /// Takes a step at learning rate 1 from the origin; the parameters are then minus the direction.
  func step(_ gradient: [Float]) throws -> StepOutcome {
    parameters.all.update(repeating: 0)
    var local = parameters[slice].mutableSpan
    let outcome = try mfac.step(
      Array(gradient[slice]).span, updating: &local, learningRate: 1, model: nil, on: world,
      clock: clock
    ) { _ in }
    try world.allGather(parameters.all, slices: slices)
    return outcome
  }
  func inverse(_ x: [Float]) throws -> [Double] {
    var local = result[slice].mutableSpan
    try mfac.inverseProduct(Array(x[slice]).span, into: &local, on: world)
    try world.allGather(result.all, slices: slices)
    return result.all.map(Double.init)
  }

  var rows = [[Double]](repeating: [], count: m)
  var digest: UInt64 = 0
  for t in 0..<8 {
    let gradient = (0..<d).map { random(UInt64(200 + t), $0) }
    rows[t % m] = gradient.map(Double.init)
    let outcome = try step(gradient)
    try check(outcome.wasApplied, "step \(t)")
    let exact = exactDirection(
      rows: rows.filter { !$0.isEmpty }, slot: t % m, capacity: m, damping: damping)
    let error = relativeError(parameters.all.map { -Double($0) }, to: exact)
    // The result is rounded to single precision.
    try check(error < 2e-7, "direction of step \(t), error \(error)")
    for value in parameters.all { digest = digest &* 31 &+ UInt64(value.bitPattern) }
  }

  let x = (0..<d).map { random(300, $0) }
  let before = try inverse(x)
  let dense = denseFisher(rows: rows, capacity: m, damping: damping).solve(x.map(Double.init))
  let error = relativeError(before, to: dense)
  try check(error < 1e-6, "inverse product, error \(error)")

  // One NaN in the last coordinate, which lies in one rank's slice.
  let outcome = try step((0..<d).map { $0 == d - 1 ? .nan : random(400, $0) })
  try check(!outcome.wasApplied, "a NaN was taken")
  try check(parameters.all.allSatisfy { $0 == 0 }, "a skipped step moved the parameters")
  try check(try inverse(x) == before, "a skipped gradient changed the window")
  return digest
}

/// Checks that the predicted traffic of exchanges equals the traffic that this rank counts.
func checkTraffic(_ d: Int, microBatches: Int, on world: Communicator) throws {
  let partition = CellPartition(Cells(parameterCount: d), over: world.size)
  let shares = Partition(of: microBatches, over: world.size)
  let slices = partition.slices
  func counting(_ what: String, sends expected: [Traffic], _ body: () throws -> Void) throws {
    let before = world.traffic
    try body()
    let sent = world.traffic - before
    try check(
      sent == expected[world.rank], "\(what) of \(d) sent \(sent), not \(expected[world.rank])")
  }

  let reduction = ReduceScatter<Float>(of: shares, to: partition.slices, on: world)
  try counting(
    "reduce-scatter", sends: ReduceScatter<Float>.traffic(of: shares, to: partition.slices)
  ) {
    for microBatch in reduction.leaves {
      _ = try reduction.begin(microBatch: microBatch, on: world)
      try reduction.advance(to: 0, on: world)
    }
    _ = try reduction.finish(on: world)
  }
  let vector = Buffer<Float>(count: d)
  try counting("all-gather", sends: AllGather<Float>.traffic(slices)) {
    try world.allGather(vector.all, slices: slices)
  }
  let partials = Buffer<Double>(count: partition.cells(of: world.rank).count * 5)
  try counting("sum over cells", sends: TreeSum.traffic(over: partition, width: 5)) {
    _ = try TreeSum(partition, rank: world.rank).total(of: partials.all, width: 5, on: world)
  }
  try counting("sum over micro-batches", sends: TreeSum.traffic(of: shares, width: 1)) {
    _ = try world.sum(of: reduction.leaves.map(Double.init), over: shares)
  }
}

/// Checks a window of another form: gradients that are left out, here between the others, leave no
/// trace in it, nor in its remainders.
func checkForm(
  _ d: Int, type: RowType, density: Double, on world: Communicator
) throws -> UInt64 {
  let partition = CellPartition(Cells(parameterCount: d), over: world.size)
  let slice = partition.slice(of: world.rank)
  let slices = partition.slices
  let configuration = MFACConfiguration.published(
    window: 3, windowForm: WindowForm(type: type, density: density), damping: 1e-2)
  let parameters = Buffer<Float>(count: d)
  let clock = PhaseClock()
  func train(disturbed: Bool) throws -> [UInt32] {
    let mfac = ShardedMFAC<Float>(configuration, partition: partition, rank: world.rank)
    parameters.all.update(repeating: 0)
    func step(_ gradient: [Float]) throws -> StepOutcome {
      var local = parameters[slice].mutableSpan
      return try mfac.step(
        Array(gradient[slice]).span, updating: &local, learningRate: 1, model: nil, on: world,
        clock: clock
      ) { _ in }
    }
    for t in 0..<7 {
      if disturbed {
        // The number is wrong on one rank alone: NaN, or one that bfloat16 rounds to infinity.
        for wrong in [Float.nan, type == .bfloat16 ? .greatestFiniteMagnitude : -.infinity] {
          let outcome = try step((0..<d).map { $0 == d - 1 ? wrong : random(500, $0) })
          try check(!outcome.wasApplied, "\(wrong) was taken")
        }
      }
      let gradient = (0..<d).map { random(UInt64(600 + t), $0) }
      let norm = gradient.reduce(0) { $0 + Double($1) * Double($1) }.squareRoot()
      let outcome = try step(gradient)
      // The norm is that of the gradient, not of the stored row; the order of additions differs.
      try check(abs(outcome.gradientNorm - norm) < 1e-12 * norm, "norm \(outcome.gradientNorm)")
    }
    try world.allGather(parameters.all, slices: slices)
    return parameters.all.map(\.bitPattern)
  }
  let undisturbed = try train(disturbed: false)
  try check(try train(disturbed: true) == undisturbed, "a skipped gradient left a trace")
  return undisturbed.reduce(0) { $0 &* 31 &+ UInt64($1) }
}

/// Checks that all ranks throw an error of one rank.
func checkAgree(on world: Communicator) throws {
  struct Alone: Error, CustomStringConvertible { let description = "alone" }
  do {
    try world.agree { if world.rank == world.size - 1 { throw Alone() } }
    try check(false, "an error on the last rank was lost")
  } catch let error as AgreedError {
    try check(error.rank == world.size - 1, "the error of rank \(error.rank)")
    try check(error.description.contains("alone"), "the message \(error)")
  }
}

if CommandLine.arguments.dropFirst().first == "gradients" {
  writeGradients(Array(CommandLine.arguments.dropFirst(2)))
}
BLAS.useOneThread()
if let fault = CommandLine.arguments.dropFirst().first {
  run(fault, CommandLine.arguments.dropFirst(2).first)
}
let world = try Communicator.start()
do {
  try checkAgree(on: world)
  var digests = Digests()
  for d in [1, 40, 1000, 20_011] { digests["sum-over-cells-\(d)"] = try checkSums(d, on: world) }
  for (d, microBatches) in [(1, 8), (40, 9), (1000, 13), (5003, 8)] {
    digests["reduce-scatter-\(d)-of-\(microBatches)"] = try checkReduceScatter(
      d, microBatches: microBatches, on: world)
  }
  for (count, microBatches) in [(1, 8), (40, 9), (1000, 13)] {
    digests["all-reduce-\(count)-of-\(microBatches)"] = try checkAllReduce(
      count, microBatches: microBatches, on: world)
  }
  // Fewer cells than ranks, and cells that no number of ranks divides.
  for d in [3, 70, 411] { digests["mfac-\(d)"] = try checkMFAC(d, on: world) }
  // Fewer cells than ranks; a slice of several blocks.
  for (d, microBatches) in [(1, 8), (1000, 13), (700_003, 9)] {
    try checkTraffic(d, microBatches: microBatches, on: world)
  }
  // Slices of several blocks, and fewer columns than ranks.
  for d in [3, 5003, 700_003] {
    for emptyFirst in [false, true] { try checkRowExchange(d, emptyFirst: emptyFirst, on: world) }
  }
  for d in [3, 5003, 700_003] { try checkRangeExchange(d, on: world) }
  for d in [3, 5003, 300_007] { try checkDoubleExchanges(d, microBatches: 6, on: world) }
  try checkGradientRefusals(on: world)
  // Rows past the end of a permutation, and in more than one round for any number of ranks.
  for (b, rows) in [(1, 0..<19), (5, 3..<7), (40, 30..<39)] {
    digests["gradients-\(rows.count)-of-\(b)"] = try checkGradientCollection(
      examplesPerRow: b, rows: rows, on: world)
  }
  for type in RowType.types(for: Float.self) {
    for density in type.isScaled ? [1] : [0.02, 1] {
      digests["window-\(type)-\(density)"] = try checkForm(
        5003, type: type, density: density, on: world)
    }
  }
  // Slices of one block and of several.
  for d in [4096, 1_409_024] { digests["step-\(d)"] = try checkSteps(d, on: world) }
  // More ranks than micro-batches, and than cells.
  for (d, microBatches) in [(3, 2), (411, 6)] {
    digests["minimizer-\(d)-of-\(microBatches)"] = try checkMinimizer(
      d, microBatches: microBatches, on: world)
  }
  digests["selection"] = try checkSelection(on: world)
  for d in [70, 1000] {
    digests["groups-\(d)"] = try checkGroups(d, on: world)
    digests["mfac-groups-\(d)"] = try checkMFACWithGroups(d, on: world)
    digests["mfac-intervals-\(d)"] = try checkIntervals(d, on: world)
    digests["masks-\(d)"] = try checkMasks(d, on: world)
    for (insertEvery, grouped) in [(1, false), (2, false), (1, true), (2, true)] {
      digests["damping-\(d)-every-\(insertEvery)\(grouped ? "-groups" : "")"] =
        try checkDamping(d, insertEvery: insertEvery, grouped: grouped, on: world)
    }
  }
  digests["group-costs"] = try checkGroupCosts(Float.self, on: world)
  digests["group-costs-double"] = try checkGroupCosts(Double.self, on: world)
  try checkKFAC(on: world, &digests)
  try checkKFACSteps(on: world, &digests)
  try checkOptimizerMemory(on: world)
  for blockSize in [nil, 1, 30] {
    let name = "pruning-blocks-\(blockSize.map(String.init) ?? "whole")"
    digests[name] = try checkPruning(97, blockSize: blockSize, Float.self, on: world)
    digests["\(name)-double"] = try checkPruning(97, blockSize: blockSize, Double.self, on: world)
    digests["\(name)-restarted"] = try checkPruning(
      97, blockSize: blockSize, restartingAt: [0, 7, 50], Float.self, on: world)
  }
  for (nesterov, insertEvery, preconditionEvery, grouped) in [
    (false, 1, 1, false), (true, 1, 1, true), (false, 3, 1, true), (true, 2, 3, false),
    (true, 1, 2, true),
  ] {
    let name = "adaptive-\(nesterov)-\(insertEvery)-\(preconditionEvery)-\(grouped)"
    digests[name] = try checkAdaptiveMFAC(
      200, nesterov: nesterov, insertEvery: insertEvery, preconditionEvery: preconditionEvery,
      grouped: grouped, on: world)
  }
  digests["adaptive-limits"] = try checkAdaptiveLimits(200, on: world)
  digests["adaptive-prediction"] = try checkAdaptivePrediction(61, on: world)
  // The whole matrix, and blocks of fewer and of more weights than gradients.
  for blockSize in [nil, 13, 50] { try checkRecursions(blockSize: blockSize, on: world) }
  for (d, m, scale) in [(97, 7, Float(1)), (30, 41, 1), (30, 41, 1e6)] {
    digests["inverse-fisher-\(d)-\(m)-\(scale)"] = try checkInverseFisher(
      d, m: m, scale: scale, on: world)
  }
  for (d, scale) in [(97, Float(1e5)), (5, 1e5)] {
    digests["lost-digits-\(d)"] = try checkLostDigits(d, scale: scale, on: world)
  }
  // Enough weights for many exchanges at a time; and fewer cells than ranks.
  for (d, scope, largest) in [
    (700, Selection.Scope.global, 1), (120, .global, 0.65), (120, .uniform, 1), (40, .global, 1),
  ] {
    let name = "mask-search-\(d)-\(scope)-\(largest)"
    digests[name] = try checkMaskSearch(
      d, scope: scope, maximumTensorSparsity: largest, Float.self, on: world)
    guard d < 700 else { continue }
    digests["\(name)-double"] = try checkMaskSearch(
      d, scope: scope, maximumTensorSparsity: largest, Double.self, on: world)
  }
  try checkSparseFile(.float32, Float.self, on: world)
  try checkSparseFile(.float64, Double.self, on: world)
  if world.rank == 0 { digests.print() }
  try world.finish()
} catch {
  print("rank \(world.rank): \(error)")
  world.abort(status: 1)
}
