import LinearAlgebra
import MPI
import Optimizers
import Sharding

/// Takes three steps as in training, and between them others whose gradient is not finite.
///
/// - Parameter d: a multiple of 16·256: with a power of two of ranks, each slice has d/p
///   parameters.
func checkSteps(_ d: Int, on world: Communicator) throws -> UInt64 {
  let digest = try takeSteps(d, wrong: [nil, (.nan, microBatch: 7), nil, nil], on: world)
  // Wrong numbers of any kind, at any place, leave no trace in later steps.
  for wrong: [(Float, microBatch: Int)?] in [
    [nil, nil, nil], [(.infinity, 0), nil, nil, (-.infinity, 5), (.nan, 3), nil],
  ] {
    try check(
      try takeSteps(d, wrong: wrong, on: world) == digest, "a step left out has left a trace")
  }
  return digest
}

/// Takes steps with blocks in transit during computation: gradients of 8 micro-batches, and
/// parameters.
///
/// - Parameter wrong: a number for each step, in one micro-batch and thus on one rank alone.
/// - Returns: the digest of the losses of steps that were taken, and of the parameters.
private func takeSteps(
  _ d: Int, wrong: [(Float, microBatch: Int)?], on world: Communicator
) throws -> UInt64 {
  let (m, microBatches) = (6, 8)
  let partition = CellPartition(Cells(parameterCount: d), over: world.size)
  let shares = Partition(of: microBatches, over: world.size)
  let slices = partition.slices
  let local = slices[world.rank]
  let reduction = ReduceScatter<Float>(of: shares, to: partition.slices, on: world)
  let gather = AllGather<Float>(slices, on: world)
  let lossSum = TreeSum(shares, rank: world.rank)
  let mfac = ShardedMFAC<Float>(
    MFACConfiguration.published(window: m, damping: 1e-2, momentum: 0.5), partition: partition,
    rank: world.rank)
  let parameters = Buffer<Float>(count: d)
  let clock = PhaseClock(on: world)
  var digest: UInt64 = 0
  var taken = 0
  for wrong in wrong {
    let before = Array(parameters.all)
    for microBatch in reduction.leaves {
      let vector = try clock.time(.reduceScatter) {
        try reduction.begin(microBatch: microBatch, on: world)
      }
      // Adds a piece at a time, like layers; its ends are not those of blocks or slices.
      for start in stride(from: (d - 1) / 50_021 * 50_021, through: 0, by: -50_021) {
        let piece = start..<min(start + 50_021, d)
        for i in piece {
          vector[i] = Float((i &* 7919 &+ microBatch &* 31 &+ taken &* 17) % 1009) / 1009 - 0.5
        }
        if let (value, place) = wrong, microBatch == place, piece.contains(d / 2) {
          vector[d / 2] = value
        }
        try clock.time(.reduceScatter) { try reduction.advance(to: start, on: world) }
      }
    }
    let loss = try clock.time(.loss) {
      try lossSum.total(of: shares.range(of: world.rank).map { 1 / Double($0 + 3) }, on: world)
    }
    let gradient = try clock.time(.reduceScatter) { try reduction.finish(on: world) }
    var slice = parameters[local].mutableSpan
    var last = 0
    let outcome = try mfac.step(
      gradient.span, updating: &slice, learningRate: 0.1, model: nil, on: world, clock: clock
    ) { updated in
      guard updated.lowerBound == last else { throw Wrong("\(updated) is updated after \(last)") }
      last = updated.upperBound
      try clock.time(.allGather) {
        try gather.advance(to: local.lowerBound + last, of: parameters.all, on: world)
      }
    }
    try check(
      outcome.wasApplied == (wrong == nil), "a step with \(wrong, default: "nothing") wrong")
    if outcome.wasApplied {
      digest = digest &* 31 &+ loss.bitPattern
      taken += 1
      try check(last == local.count, "\(last) of \(local.count) parameters were updated")
      try clock.time(.allGather) { try gather.finish(parameters.all, on: world) }
    } else {
      try check(last == 0 && before == Array(parameters.all), "a skipped step changed something")
    }
  }
  for value in parameters.all { digest = digest &* 31 &+ UInt64(value.bitPattern) }
  if world.size.nonzeroBitCount == 1, world.size <= microBatches, wrong.count == 4 {
    try checkTraffic(clock, d: d, steps: wrong.count, taken: taken, on: world)
  }
  return digest
}

/// Checks that a step sends at most 2·d·4·(p − 1)/p + O(m log p) bytes: a reduce-scatter and an
/// all-gather of d, and log₂ p messages for each sum.
private func checkTraffic(
  _ clock: PhaseClock, d: Int, steps: Int, taken: Int, on world: Communicator
) throws {
  let p = world.size
  let levels = p.trailingZeroBitCount
  func sent(_ phase: Phase) -> Traffic { clock.costs[phase]?.sent ?? Traffic() }
  try check(
    sent(.reduceScatter).bytes == steps * 4 * d * (p - 1) / p, "\(sent(.reduceScatter)) reduced")
  try check(sent(.allGather).bytes == taken * 4 * d * (p - 1) / p, "\(sent(.allGather)) gathered")
  try check(
    sent(.loss) == Traffic(messages: steps * levels, bytes: steps * levels * 8),
    "\(sent(.loss)) for the loss")
  // The row has 1 number, then 2, again 2 after the step that was left out, and 3; the norm adds
  // one each.
  let numbers = 2 + 3 + 3 + 4
  try check(
    sent(.sum) == Traffic(messages: steps * levels, bytes: numbers * levels * 8),
    "\(sent(.sum)) for the Gram row")
}
