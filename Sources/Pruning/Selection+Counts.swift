import MPI

/// How many weights go.
extension Selection {
  /// Numbers of weights to remove, in all what they cost, and as many more as make the last block whole.
  enum Counts {
    case inAll(Int)
    case ofTensors([Int])
  }

  /// - Throws: `PruningError` where the tensors cannot have that sparsity.
  public func check(_ sparsity: Double) throws(PruningError) {
    if pattern.sparsity == nil {
      _ = try counts(for: sparsity, after: prunable.map { _ in 0 })
    }
  }

  /// How many weights a sparsity removes.
  ///
  /// - Parameter previous: those of each prunable tensor that are removed already.
  /// - Throws: `PruningError` where the tensors cannot have it.
  func counts(
    for sparsity: Double, after previous: [Int]
  ) throws(PruningError) -> Counts {
    // What is shared out: blocks where all are of one size, else weights.
    let unit = pattern.blockSize ?? 1
    let sizes = prunable.map { $0.range.count / unit }
    let total = Share(sparsity).roundedUp(of: sizes.reduce(0, +))
    let largest = prunable.map(largestCount(of:))
    // A block that has lost some of its weights goes whole.
    let least = previous.map { ($0 + unit - 1) / unit }
    let counts: [Int]
    switch scope {
    case .global where budget == .flops:
      let costs = prunable.map(cost(of:))
      let total = Share(sparsity).roundedUp(
        of: zip(prunable, costs).reduce(0) { $0 + $1.0.range.count * $1.1 })
      let most = zip(largest, costs).reduce(0) { $0 + $1.0 * $1.1 }
      guard total <= most else {
        throw PruningError(
          "a sparsity of \(sparsity) removes \(total) multiply-adds: expected at most \(most), all "
            + "that a largest sparsity of \(maximumTensorSparsity) in each tensor allows")
      }
      return .inAll(
        Self.total(
          total, after: previous,
          costs: zip(prunable, costs).map { (pattern.blockSize(in: $0) * $1, $1) }))
    case .global:
      guard total * unit <= largest.reduce(0, +) else {
        throw PruningError(
          "a sparsity of \(sparsity) removes \(total * unit) weights: expected at most "
            + "\(largest.reduce(0, +)), all that a largest sparsity of \(maximumTensorSparsity) in "
            + "each tensor allows")
      }
      return .inAll(
        Self.total(
          total * unit, after: previous, costs: prunable.map { (pattern.blockSize(in: $0), 1) }))
    case .uniform: counts = Self.shares(of: total, over: sizes, from: least)
    case .perTensor(let named):
      let fixed = prunable.map { tensor in
        named[tensor.name].map { removedCount($0, of: tensor) / unit }
      }
      let rest = total - fixed.reduce(0) { $0 + ($1 ?? 0) }
      let restSizes = zip(sizes, fixed).map { $1 == nil ? $0 : 0 }
      guard rest >= 0, rest <= restSizes.reduce(0, +) else {
        throw PruningError(
          "a sparsity of \(sparsity) removes \(total * unit) weights: expected sparsities of single "
            + "tensors that leave between 0 and \(restSizes.reduce(0, +) * unit) of them to the other "
            + "tensors, got \(rest * unit)")
      }
      let restLeast = zip(least, fixed).map { $1 == nil ? $0 : 0 }
      counts = zip(fixed, Self.shares(of: rest, over: restSizes, from: restLeast)).map { $0 ?? $1 }
    }
    let whole = zip(prunable, counts).map { tensor, count in
      let size = pattern.blockSize(in: tensor)
      return (count * unit + size - 1) / size * size
    }
    if let index = whole.indices.first(where: { whole[$0] > largest[$0] }) {
      throw PruningError(
        "a sparsity of \(sparsity) removes \(whole[index]) weights of '\(prunable[index].name)': "
          + "expected at most \(largest[index]), for a largest sparsity of \(maximumTensorSparsity)"
      )
    }
    return .ofTensors(whole)
  }

  /// What is to be removed in all, where `previous` weights of each tensor are: no less than these cost,
  /// if the last block of theirs may have brought them beyond `total`.
  ///
  /// - Parameter costs: of a block of each tensor, and of a weight.
  private static func total(
    _ total: Int, after previous: [Int], costs: [(block: Int, weight: Int)]
  ) -> Int {
    let removed = zip(previous, costs).filter { $0.0 > 0 }
    let cost = removed.reduce(0) { $0 + $1.0 * $1.1.weight }
    let last = removed.map(\.1.block).max() ?? 0
    return cost > total && cost - last < total ? cost : total
  }

  /// What removing a weight of a tensor counts.
  func cost(of tensor: WeightTensor) -> Int {
    budget == .flops ? tensor.multiplyAdds : 1
  }

  /// The weights of a share of a tensor's blocks.
  private func removedCount(_ share: Double, of tensor: WeightTensor) -> Int {
    let size = pattern.blockSize(in: tensor)
    return Share(share).roundedUp(of: tensor.range.count / size) * size
  }

  /// Weights that a tensor may lose.
  func largestCount(of tensor: WeightTensor) -> Int {
    let size = pattern.blockSize(in: tensor)
    return Share(maximumTensorSparsity).roundedDown(of: tensor.range.count / size) * size
  }

  /// `total` shared out in proportion to `sizes`, where no share is below `previous`, if these sum up to
  /// the total at most: rounded down, and what is left, or too much, taken one by one where it is farthest
  /// from proportion, of equal ones from the first.
  ///
  /// Rounding by the largest remainders alone would now and then take a weight back as the total grows.
  package static func shares(of total: Int, over sizes: [Int], from previous: [Int]) -> [Int] {
    let all = Int128(sizes.reduce(0, +))
    guard all > 0 else { return sizes.map { _ in 0 } }
    let least = previous.reduce(0, +) <= total ? previous : sizes.map { _ in 0 }
    let parts = sizes.map { Int128(total) * Int128($0) }
    var shares = zip(parts, least).map { max(Int($0 / all), $1) }
    var left = total - shares.reduce(0, +)
    while left != 0 {
      let deficits = zip(parts, shares).map { $0 - Int128($1) * all }
      let order = sizes.indices.sorted { (deficits[$1], $0) < (deficits[$0], $1) }
      let changed =
        left > 0
        ? order.filter { shares[$0] < sizes[$0] }.prefix(left)
        : order.reversed().filter { shares[$0] > least[$0] }.prefix(-left)
      precondition(!changed.isEmpty, "\(total) of \(all) shared out from \(previous)")
      for index in changed { shares[index] += left.signum() }
      left -= left.signum() * changed.count
    }
    return shares
  }

  /// The share of its budget that a mask has removed. Collective.
  public func sparsity(of mask: Mask, on world: Communicator) throws -> Double {
    let kept = try mask.keptCounts(of: prunable, on: world)
    let (all, removed) = zip(prunable, kept).reduce((0, 0)) { sums, next in
      let (tensor, kept) = next
      return (
        sums.0 + cost(of: tensor) * tensor.range.count,
        sums.1 + cost(of: tensor) * (tensor.range.count - kept)
      )
    }
    return Double(removed) / Double(all)
  }
}
