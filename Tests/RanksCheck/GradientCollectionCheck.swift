import Datasets
import LinearAlgebra
import MPI
import Networks
import Sharding
import TrainedModels
import Training

/// Compares rows collected on all ranks with the network's own gradients, bit for bit.
///
/// Covers batch norms on running statistics, a dropout with probability 0, rows of one call and of
/// several, and rows of a second permutation.
func checkGradientCollection(
  examplesPerRow b: Int, rows: Range<Int>, on world: Communicator
) throws -> UInt64 {
  let description = try smallNetwork()
  let examples = try DatasetSource.digits.load().training
  let loss = Loss.crossEntropy()
  let d = description.layout.count
  let parameters = Buffer<Float>(count: d)
  description.layout.initialize(parameters.all, seed: 3)
  let state = Buffer<Float>(count: description.stateLayout.count)
  for i in 0..<state.count { state.pointer[i] = 1 + Float(i) / 8 }
  let before = Array(state.all)
  // More than one cell, and fewer cells than ranks.
  let slices = (0..<world.size).map(
    CellPartition(Cells(parameterCount: d), over: world.size).slice(of:))
  let local = slices[world.rank]
  let collection = try GradientCollection<Float>(
    of: description, loss: loss, on: examples, examplesPerRow: b, seed: 11, slices: slices,
    over: world)
  try check(collection.rowsPerEpoch == examples.count / b, "\(collection.rowsPerEpoch) an epoch")

  let plain = try Network<Float>(description, maximumBatch: b)
  let whole = Buffer<Float>(count: d)
  let gradient = Buffer<Float>(count: d)
  var batches = try BatchOrder(
    exampleCount: examples.count, batchSize: b, order: .shuffled, seed: 11)
  let inputs = Buffer<Float>(count: b * 64)
  let classes = Buffer<Int32>(count: b)
  var (digest, lossSum, next): (UInt64, Double, Int) = (0, 0, rows.lowerBound)
  var columns: [Float] = []
  let mean = try collection.collect(
    rows: rows, parameters: UnsafeBufferPointer(parameters.all),
    state: UnsafeBufferPointer(state.all), over: world
  ) { row, slice in
    try check(row == next && slice.count == local.count, "row \(row) after \(next)")
    next += 1
    columns += slice
  }
  try check(next == rows.upperBound, "\(next) is not the end of \(rows)")
  for (index, row) in rows.enumerated() {
    whole.all.update(repeating: 0)
    let batch = batches.indices(step: row)
    for chunk in stride(from: batch.startIndex, to: batch.endIndex, by: 32) {
      let some = batch[chunk..<min(chunk + 32, batch.endIndex)]
      examples.fill(inputs: inputs[0..<some.count * 64], with: some, epoch: nil)
      examples.fill(classes: classes[0..<some.count], with: some)
      lossSum += plain.lossAndGradient(
        inputs: UnsafeBufferPointer(inputs[0..<some.count * 64]),
        targets: .classes(UnsafeBufferPointer(classes[0..<some.count])),
        parameters: UnsafeBufferPointer(parameters.all), state: UnsafeBufferPointer(state.all),
        gradient: gradient.all, loss: loss, scale: 1 / Float(b))
      for i in 0..<d { whole.pointer[i] += gradient.pointer[i] }
    }
    // −0 and 0 are equal; the sum from 0 has no −0.
    try check(
      columns[index * local.count..<(index + 1) * local.count].elementsEqual(whole[local]),
      "row \(row) of means of \(b)")
    _ = gradient[local].update(
      fromContentsOf: columns[index * local.count..<(index + 1) * local.count])
    try world.allGather(gradient.all, slices: slices)
    for value in gradient.all { digest = digest &* 31 &+ UInt64(value.bitPattern) }
  }
  try check(Array(state.all) == before, "running statistics have moved")
  // The order of additions differs.
  try check(abs(mean * Double(rows.count * b) / lossSum - 1) < 1e-12, "mean loss \(mean)")

  // One number of one example is bad, on one rank alone; every rank throws, and names the row.
  let wrong = rows.lowerBound + rows.count / 2
  let spoiled = SpoiledExamples(
    examples: examples, index: batches.indices(step: wrong).last!)
  let collector = try GradientCollection<Float>(
    of: description, loss: loss, on: spoiled, examplesPerRow: b, seed: 11, slices: slices,
    over: world)
  var stored = 0
  do {
    _ = try collector.collect(
      rows: rows, parameters: UnsafeBufferPointer(parameters.all),
      state: UnsafeBufferPointer(state.all), over: world
    ) { _, slice in
      try check(slice.allSatisfy(\.isFinite), "a row that is not finite was stored")
      stored += 1
    }
    try check(false, "row \(wrong) was taken")
  } catch let error as NonFiniteRow {
    try check(error.description.hasPrefix("row \(wrong) "), "\(error)")
    try check(stored <= wrong - rows.lowerBound, "\(stored) rows were stored")
  }
  return digest &* 31 &+ mean.bitPattern
}

/// Checks that all ranks refuse impossible collections before they compute anything.
func checkGradientRefusals(on world: Communicator) throws {
  let description = try smallNetwork()
  let examples = try DatasetSource.digits.load().training
  let slices = (0..<world.size).map(
    CellPartition(Cells(parameterCount: description.layout.count), over: world.size).slice(of:))
  func message(_ body: () throws -> Void) throws -> String {
    do { try body() } catch { return "\(error)" }
    throw Wrong("it was not refused")
  }
  for b in [-1, 0, examples.count + 1] {
    let message = try message {
      _ = try GradientCollection<Float>(
        of: description, loss: .crossEntropy(), on: examples, examplesPerRow: b, seed: 0,
        slices: slices, over: world)
    }
    try check(
      message
        == "gradient-batch: a row of gradients is a mean over examples: expected 1 to "
        + "\(examples.count), the examples of \(examples.source), got \(b)", message)
  }
  let count = try MemoryCount.of {
    try GradientCollection<Float>(
      of: description, loss: .crossEntropy(), on: examples, examplesPerRow: 40, seed: 0,
      slices: slices, over: world)
  }
  let plans = [0, 1 << 60].map { MemoryPlan(gradients: $0, collection: count) }
  try plans[0].check(on: world)
  // Two rows, and 32 examples of 64 numbers and a class.
  try check(
    plans[0].vectors == 8 * description.layout.count + 4 * 32 * 65
      + 4 * (world.size - 1) * slices[world.rank].count, "\(plans[0])")
  let refusal = try message { try plans[1].check(on: world) }
  try check(refusal.contains("(the gradients "), refusal)
  try check(refusal.contains("(use fewer gradients or more nodes)"), refusal)
}

private func smallNetwork() throws -> NetworkDescription {
  try NetworkDescription(
    yaml: """
      input: [1, 8, 8]
      layers: [{conv2d: {in: 1, out: 4, kernel: 3}}, batch-norm, relu, flatten,
        dropout: {probability: 0.5}, {linear: {in: 144, out: 10}}]
      """, file: "check")
}

/// Examples with one infinite input.
private struct SpoiledExamples: Examples {
  let examples: any Examples
  let index: Int

  var count: Int { examples.count }
  var inputShape: [Int] { examples.inputShape }
  var targets: TargetKind { examples.targets }
  var source: String { "spoiled" }
  var byteCount: Int { examples.byteCount }

  func fill<Element: Scalar>(
    inputs: UnsafeMutableBufferPointer<Element>, with indices: ArraySlice<Int>, epoch: Int?
  ) {
    examples.fill(inputs: inputs, with: indices, epoch: epoch)
    guard let place = indices.firstIndex(of: index) else { return }
    inputs[(place - indices.startIndex) * inputCount] = .infinity
  }

  func fill(classes: UnsafeMutableBufferPointer<Int32>, with indices: ArraySlice<Int>) {
    examples.fill(classes: classes, with: indices)
  }

  func withBytes(_ body: (UnsafeRawBufferPointer) -> Void) { examples.withBytes(body) }
}
