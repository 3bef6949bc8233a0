import MPI
import Pruning
import RandomNumbers
import Sharding

/// A convolution, a linear layer and their other tensors, in cells that cut blocks: d = 2756.
private let tensors: [WeightTensor] = {
  let shapes: [(String, [Int])] = [
    ("conv", [12, 8, 3, 3]), ("shift", [12]), ("linear", [40, 36]), ("scale", [40]),
    ("head", [10, 40]),
  ]
  var start = 0
  return shapes.map { name, shape in
    defer { start += shape.reduce(1, *) }
    return WeightTensor(
      name: name, shape: shape, range: start..<start + shape.reduce(1, *),
      isPrunable: shape.count > 1, multiplyAdds: name == "conv" ? 49 : 3)
  }
}()

/// A block found by a plain search.
private struct PlainBlock {
  let tensor: Int
  let members: [Int]
  let score: Double

  static func all(
    of tensors: [WeightTensor] = tensors, rows: Int, columns: Int, scores: [Double]
  ) -> [PlainBlock] {
    tensors.enumerated().filter(\.element.isPrunable).flatMap { index, tensor in
      let (outputs, inputs) = (tensor.shape[0], tensor.shape[1])
      let inner = tensor.range.count / outputs / inputs
      var blocks: [PlainBlock] = []
      for o in stride(from: 0, to: outputs, by: rows) {
        for i in stride(from: 0, to: inputs, by: columns) {
          for x in 0..<inner {
            let members = (0..<rows).flatMap { r in
              (0..<columns).map { c in
                tensor.range.lowerBound + ((o + r) * inputs + i + c) * inner + x
              }
            }
            blocks.append(
              PlainBlock(
                tensor: index, members: members, score: members.reduce(0) { $0 + scores[$1] }))
          }
        }
      }
      return blocks
    }
  }

  /// Returns channels, scored by the mean of their members.
  static func channels(scores: [Double]) -> [PlainBlock] {
    tensors.enumerated().filter(\.element.isPrunable).flatMap { index, tensor in
      let size = tensor.range.count / tensor.shape[0]
      return stride(from: tensor.range.lowerBound, to: tensor.range.upperBound, by: size).map {
        let members = Array($0..<$0 + size)
        return PlainBlock(
          tensor: index, members: members,
          score: members.reduce(0) { $0 + scores[$1] } / Double(size))
      }
    }
  }

  /// Sorts by score; equal scores by the first member.
  static func sorted(_ blocks: [PlainBlock]) -> [PlainBlock] {
    blocks.sorted { ($0.score, $0.members[0]) < ($1.score, $1.members[0]) }
  }
}

/// Returns scores with many ties, also between blocks, some below zero, and zeros of both signs.
private func scores(_ stream: UInt64) -> [Double] {
  (0..<tensors.last!.range.upperBound).map {
    let value = (Double(random(stream, $0)) * 40).rounded()
    return value == 0 && $0 % 2 == 0 ? -0.0 : value
  }
}

/// Returns the least integer not below a share in thousandths.
private func removedCount(_ share: Double, of count: Int) -> Int {
  (Int((1000 * share).rounded()) * count + 999) / 1000
}

private func mask(
  _ selection: Selection, _ sparsity: Double, _ scores: [Double], after previous: [Bool],
  on world: Communicator
) throws -> [Bool] {
  let partition = CellPartition(
    Cells(parameterCount: tensors.last!.range.upperBound), over: world.size)
  let slices = partition.slices
  let slice = slices[world.rank]
  let mask = try selection.mask(
    removing: sparsity, bySaliency: Array(scores[slice]),
    after: Mask(slice: slice, isKept: Array(previous[slice])), partition: partition, on: world)
  let bytes = try world.allGather(mask.isKept.map { $0 ? 1 : 0 }, counts: slices.map(\.count))
  let kept = bytes.map { $0 == 1 }
  try check(
    try mask.keptCounts(of: tensors, on: world) == tensors.map { $0.range.count { kept[$0] } },
    "counts of kept weights")
  return kept
}

/// Compares masks over ranks with a plain sort.
func checkSelection(on world: Communicator) throws -> UInt64 {
  let d = tensors.last!.range.upperBound
  let allKept = [Bool](repeating: true, count: d)
  var digest: UInt64 = 0
  func compare(_ kept: [Bool], without blocks: [PlainBlock], _ what: String) throws {
    var plain = allKept
    for coordinate in blocks.flatMap(\.members) { plain[coordinate] = false }
    try check(kept == plain, what)
    for (i, isKept) in kept.enumerated() { digest = digest &* 31 &+ (isKept ? UInt64(i) : 7) }
  }
  for (index, pattern) in ["unstructured", "1x4", "2x1", "2x4", "1x2"].enumerated() {
    let pattern = Pattern(pattern)!
    let (rows, columns) = [(1, 1), (1, 4), (2, 1), (2, 4), (1, 2)][index]
    let scores = scores(UInt64(900 + index))
    let blocks = PlainBlock.all(rows: rows, columns: columns, scores: scores)
    let sorted = PlainBlock.sorted(blocks)
    let size = rows * columns
    for sparsity in [0, 0.001, 0.3, 0.5, 0.77, 0.999] {
      let count = removedCount(sparsity, of: blocks.count)
      let global = try mask(
        try Selection(of: tensors, pattern: pattern), sparsity, scores, after: allKept, on: world)
      try compare(global, without: Array(sorted.prefix(count)), "global \(pattern) \(sparsity)")

      // The same number is removed, and each tensor is within one block of its share.
      let uniform = try mask(
        try Selection(of: tensors, scope: .uniform, pattern: pattern), sparsity, scores,
        after: allKept, on: world)
      try check(uniform.count { !$0 } == count * size, "number of uniform \(pattern) \(sparsity)")
      var removed: [PlainBlock] = []
      for (index, tensor) in tensors.enumerated() where tensor.isPrunable {
        let local = tensor.range.count { !uniform[$0] }
        try check(
          abs(Double(local) - sparsity * Double(tensor.range.count)) < Double(size),
          "share of \(tensor.name), \(pattern) \(sparsity)")
        removed += sorted.filter { $0.tensor == index }.prefix(local / size)
      }
      try compare(uniform, without: removed, "uniform \(pattern) \(sparsity)")

      // Other tensors lose the weights that a tensor at its limit may not lose.
      guard sparsity < 0.8 else { continue }
      var left = tensors.map { Int((0.8 * Double($0.range.count / size)).rounded(.down)) }
      let allowed = sorted.filter { block in
        left[block.tensor] -= 1
        return left[block.tensor] >= 0
      }
      let limited = try mask(
        try Selection(of: tensors, pattern: pattern, maximumTensorSparsity: 0.8), sparsity, scores,
        after: allKept, on: world)
      try compare(
        limited, without: Array(allowed.prefix(count)), "limited \(pattern) \(sparsity)")
    }
  }
  try checkOtherPatterns(after: allKept, compare, on: world)
  try checkPrevious(after: allKept, on: world)
  return digest
}

/// Checks N:M patterns, and blocks that span several slices.
private func checkOtherPatterns(
  after allKept: [Bool], _ compare: ([Bool], [PlainBlock], String) throws -> Void,
  on world: Communicator
) throws {
  let scores = scores(950)
  for (kept, count) in [(2, 4), (1, 4), (1, 2)] {
    let single = PlainBlock.all(rows: 1, columns: count, scores: scores).flatMap { block in
      block.members.map { PlainBlock(tensor: 0, members: [$0], score: scores[$0]) }
        .sorted { ($0.score, $0.members[0]) < ($1.score, $1.members[0]) }.dropLast(kept)
    }
    let selection = try Selection(of: tensors, pattern: Pattern("\(kept):\(count)")!)
    try compare(
      try mask(selection, 0, scores, after: allKept, on: world), single, "\(kept):\(count)")
  }
  let weighed = scores.enumerated().map { i, score in
    score / (i < tensors[0].range.upperBound ? 49 : 3)
  }
  let single = PlainBlock.sorted(PlainBlock.all(rows: 1, columns: 1, scores: weighed))
  try compare(
    try mask(
      try Selection(of: tensors, weighing: .flops), 0.6, scores, after: allKept, on: world),
    Array(single.prefix(removedCount(0.6, of: single.count))), "weighed")
  func cost(_ block: PlainBlock) -> Int { tensors[block.tensor].multiplyAdds }
  var left = removedCount(0.6, of: single.reduce(0) { $0 + cost($1) })
  try compare(
    try mask(
      try Selection(of: tensors, weighing: .flops, budget: .flops), 0.6, scores, after: allKept,
      on: world),
    Array(
      single.prefix { block in
        defer { left -= cost(block) }
        return left > 0
      }), "share of multiply-adds")
  try checkChannels(scores, after: allKept, compare, on: world)
  // Two halves of the convolution; each lies on up to four of eight ranks.
  let convolution = tensors.map {
    WeightTensor(
      name: $0.name, shape: $0.shape, range: $0.range, isPrunable: $0.name == "conv")
  }
  let large = PlainBlock.all(of: convolution, rows: 12, columns: 4, scores: scores)
  try compare(
    try mask(
      try Selection(of: convolution, pattern: Pattern("12x4")!), 0.5, scores, after: allKept,
      on: world), Array(PlainBlock.sorted(large).prefix(large.count / 2)), "12x4")
}

/// Checks whole channels of three sizes, by the value of their weights; the last channel is taken
/// whole.
private func checkChannels(
  _ scores: [Double], after allKept: [Bool],
  _ compare: ([Bool], [PlainBlock], String) throws -> Void, on world: Communicator
) throws {
  let channels = PlainBlock.channels(scores: scores)
  let d = tensors.filter(\.isPrunable).reduce(0) { $0 + $1.range.count }
  let pattern = Pattern("channels")!
  for sparsity in [0, 0.001, 0.37, 0.8, 0.999] {
    func first(_ channels: [PlainBlock], _ count: Int) -> [PlainBlock] {
      var left = count
      return Array(
        PlainBlock.sorted(channels).prefix { channel in
          defer { left -= channel.members.count }
          return left > 0
        })
    }
    try compare(
      try mask(
        try Selection(of: tensors, pattern: pattern), sparsity, scores, after: allKept, on: world),
      first(channels, removedCount(sparsity, of: d)), "global channels \(sparsity)")
    // Each tensor loses at least its share, but not one channel more.
    let uniform = try mask(
      try Selection(of: tensors, scope: .uniform, pattern: pattern), sparsity, scores,
      after: allKept, on: world)
    var removed: [PlainBlock] = []
    for (index, tensor) in tensors.enumerated() where tensor.isPrunable {
      let local = tensor.range.count { !uniform[$0] }
      let beyond = Double(local) - sparsity * Double(tensor.range.count)
      try check(
        beyond > -1 && beyond < Double(tensor.range.count / tensor.shape[0]),
        "channels of \(tensor.name), \(sparsity)")
      removed += first(channels.filter { $0.tensor == index }, local)
    }
    try compare(uniform, removed, "uniform channels \(sparsity)")
  }
}

/// Checks that removed weights stay removed. If that is impossible, or a saliency is NaN on one
/// rank alone, all ranks throw.
private func checkPrevious(after allKept: [Bool], on world: Communicator) throws {
  let scores = scores(960)
  let selection = try Selection(of: tensors)
  let first = try mask(selection, 0.4, scores.map { -$0 }, after: allKept, on: world)
  let second = try mask(selection, 0.6, scores, after: first, on: world)
  try check(zip(first, second).allSatisfy { $0 || !$1 }, "a removed weight came back")
  try check(
    second.count { !$0 } == removedCount(0.6, of: selection.prunableCount),
    "number after another mask")
  for (what, sparsity, wrong) in [("previous mask", 0.2, 0), ("not finite", 0.7, Double.nan)] {
    var scores = scores
    scores[tensors[4].range.upperBound - 1] += wrong
    do {
      _ = try mask(selection, sparsity, scores, after: first, on: world)
      try check(false, "\(what) was taken")
    } catch let error as AgreedError {
      try check(error.description.contains(what), "the message \(error)")
    }
  }
}
