// One simulated rank. SimGrid calls `main` once for each rank, each on its own stack, all in one
// process. The ranks therefore share every global variable, and this file has none.
//
//   simulation bytes D MICRO-BATCHES    compare results with the fixed tree's
//   simulation times D M                time the exchanges of a training step
//   simulation native D                 time MPI's own collectives
//
// Rank 0 prints lines `name value`. A value is seconds of simulated time, or `same` or `differ`.

import Buffers
import COpenMPI
import Glibc
import MPI
import Sharding

/// Runs one rank.
@_cdecl("main")
public func simulatedRank(
  _ count: Int32, _ words: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>
) -> Int32 {
  let arguments = (1..<Int(count)).map { String(cString: words[$0]!) }
  do {
    buffersShareMemory = arguments.first != "bytes"
    let world = try Communicator.start(watchdogSeconds: 0)
    let numbers = arguments.dropFirst().compactMap { Int($0) }
    switch (arguments.first, numbers.count) {
    case ("bytes", 2):
      try compareBytes(d: numbers[0], microBatches: numbers[1], on: world)
      try world.finish()
      return EXIT_SUCCESS
    case ("times", 2): try timeExchanges(d: numbers[0], m: numbers[1], on: world)
    case ("native", 1): timeNative(d: numbers[0], on: world)
    default: throw UsageError(description: "bytes D MICRO-BATCHES, times D M or native D")
    }
    // Not `finish`, whose p² messages would take longer to simulate than what is timed.
    MPI_Finalize()
    return EXIT_SUCCESS
  } catch {
    reportError("\(error)")
    return EXIT_FAILURE
  }
}

private struct UsageError: Error, CustomStringConvertible { let description: String }

/// Holds the exchanges of a training step.
private final class Step {
  let partition: CellPartition
  let reduction: ReduceScatter<Float>
  let gather: AllGather<Float>
  let sum: TreeSum
  let parameters: Buffer<Float>

  init(d: Int, microBatches: Int, on world: Communicator) {
    partition = CellPartition(Cells(parameterCount: d), over: world.size)
    reduction = ReduceScatter(
      of: Partition(of: microBatches, over: world.size), to: partition.slices, on: world)
    gather = AllGather(partition.slices, on: world)
    sum = TreeSum(partition, rank: world.rank)
    parameters = Buffer(count: d)
  }

  /// Sums the micro-batches' vectors, which `fill` writes, and returns this rank's slice.
  func reduceScatter(
    on world: Communicator, fill: (Int, ReduceScatter<Float>.Vector) -> Void = { _, _ in }
  ) throws -> UnsafeBufferPointer<Float> {
    for microBatch in reduction.leaves {
      let vector = try reduction.begin(microBatch: microBatch, on: world)
      fill(microBatch, vector)
      try reduction.advance(to: 0, on: world)
    }
    return try reduction.finish(on: world)
  }
}

// MARK: Times

/// Times `body` on all ranks, from one moment to the end of the last rank.
private func time(_ name: String, on world: Communicator, _ body: () throws -> Void) rethrows {
  let start = sim_start_together()
  try body()
  let seconds = sim_latest(MPI_Wtime()) - start
  guard world.rank == 0 else { return }
  print(name, seconds)
  fflush(nil)
}

/// Times the exchanges of one step with one micro-batch a rank, and an agreement.
private func timeExchanges(d: Int, m: Int, on world: Communicator) throws {
  let step = Step(d: d, microBatches: world.size, on: world)
  let width = m + 1
  let partials = Buffer<Double>(count: step.sum.share.count * width)
  try time("row", on: world) {
    _ = try step.sum.total(of: partials.all, width: width, on: world)
  }
  try time("reduce-scatter", on: world) { _ = try step.reduceScatter(on: world) }
  try time("all-gather", on: world) { try step.gather.finish(step.parameters.all, on: world) }
  // Its p² messages take the longest to simulate, and a run may end here for lack of time.
  try time("agree", on: world) { try world.agree {} }
}

/// Times what plain data-parallel training would call.
private func timeNative(d: Int, on world: Communicator) {
  let shares = Partition(of: d, over: world.size)
  let slices = (0..<world.size).map(shares.range(of:))
  let counts = slices.map { Int32($0.count) }
  let offsets = slices.map { Int32($0.lowerBound) }
  let both = Buffer<Float>(count: 2 * d)
  let (vector, sum) = (both.pointer, both.pointer + d)
  time("allreduce", on: world) { sim_all_reduce(vector, sum, Int32(d)) }
  time("native all-gather", on: world) {
    sim_all_gather(sum, counts[world.rank], vector, counts, offsets)
  }
  time("native reduce-scatter", on: world) { sim_reduce_scatter(vector, sum, counts) }
}

// MARK: Bytes

/// Compares every result with the fixed tree's, computed here without an exchange. A second round
/// uses the same objects again, as the next step of a training does.
private func compareBytes(d: Int, microBatches: Int, on world: Communicator) throws {
  let step = Step(d: d, microBatches: microBatches, on: world)
  let slice = step.partition.slice(of: world.rank)
  for round in 1...2 {
    let part = try step.reduceScatter(on: world) { microBatch, vector in
      for i in vector.indices { vector[i] = Float(number(round, microBatch, i)) }
    }
    let expected = slice.map { i in
      treeSum(0..<microBatches) { Float(number(round, $0, i)) }
    }
    report("reduce-scatter", bytes(part) == expected.withUnsafeBufferPointer(bytes), on: world)

    let parameters = step.parameters.all
    parameters.update(repeating: .nan)
    for (i, value) in zip(slice, expected) { parameters[i] = value }
    try step.gather.finish(parameters, on: world)
    report("all-gather", isSameEverywhere(UnsafeBufferPointer(parameters)), on: world)

    let width = 5
    let partials = Buffer<Double>(count: step.sum.share.count * width)
    for (row, leaf) in step.sum.share.enumerated() {
      for i in 0..<width { partials.pointer[row * width + i] = number(round, leaf, i) }
    }
    let row = try step.sum.total(of: partials.all, width: width, on: world)
    let expectedRow = (0..<width).map { i in
      treeSum(0..<step.partition.cells.count) { number(round, $0, i) }
    }
    report(
      "row", row.withUnsafeBufferPointer(bytes) == expectedRow.withUnsafeBufferPointer(bytes),
      on: world)

    let shares = Partition(of: microBatches, over: world.size)
    let loss = try world.sum(
      of: shares.range(of: world.rank).map { number(round, $0, 0) }, over: shares)
    let expectedLoss = treeSum(0..<microBatches) { number(round, $0, 0) }
    report("loss", loss.bitPattern == expectedLoss.bitPattern, on: world)
  }
}

private func bytes<Element: BitwiseCopyable>(_ numbers: UnsafeBufferPointer<Element>) -> [UInt8] {
  Array(UnsafeRawBufferPointer(numbers))
}

private func isSameEverywhere(_ vector: UnsafeBufferPointer<Float>) -> Bool {
  let first = Buffer<Float>(count: vector.count)
  return sim_same_everywhere(vector.baseAddress, first.pointer, Int32(4 * vector.count)) != 0
}

/// Prints whether a result is right on every rank.
private func report(_ name: String, _ isSame: Bool, on world: Communicator) {
  let wrong = sim_latest(isSame ? -1 : Double(world.rank))
  guard world.rank == 0 else { return }
  print(name, wrong < 0 ? "same" : "differ")
  fflush(nil)
}

/// Returns the sum over leaves in the tree's order: the left part is the largest power of two.
private func treeSum<Number: FloatingPoint>(
  _ leaves: Range<Int>, _ leaf: (Int) -> Number
) -> Number {
  guard leaves.count > 1 else { return leaf(leaves.lowerBound) }
  let middle =
    leaves.lowerBound + 1 << (Int.bitWidth - 1 - (leaves.count - 1).leadingZeroBitCount)
  return treeSum(leaves.lowerBound..<middle, leaf) + treeSum(middle..<leaves.upperBound, leaf)
}

/// Returns a number between -128 and 128 whose sums depend on the order of their additions.
private func number(_ round: Int, _ leaf: Int, _ index: Int) -> Double {
  var bits = UInt64(round) << 56 | UInt64(leaf) << 32 | UInt64(index)
  for multiplier: UInt64 in [0x9E37_79B9_7F4A_7C15, 0xBF58_476D_1CE4_E5B9] {
    bits &*= multiplier
    bits ^= bits >> 31
  }
  return Double(Int64(bitPattern: bits)) * 0x1p-63 * Double(1 << (bits & 7))
}
