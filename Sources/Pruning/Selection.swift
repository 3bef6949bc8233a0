import MPI
import Sharding

/// Selects the weights to remove: those of the lowest saliency, and on ties the first.
///
/// The count is exact: of n weights, the smallest integer that is not below `sparsity`·n, with the
/// sparsity taken as a decimal number.
public struct Selection: Sendable {
  /// Selects which weights compete with one another.
  public enum Scope: String, CaseIterable, Sendable {
    /// All prunable weights.
    case global
    /// The weights of one tensor; all tensors get the same sparsity, except those with their own.
    case uniform
  }

  /// Selects the divisor of a saliency.
  public enum Weighing: String, CaseIterable, Sendable {
    case none
    /// The weight's multiply-adds per example, which saves more of them at the same loss
    /// (WoodFisher; Singh and Alistarh, 2020).
    case flops
  }

  /// Selects the quantity that a sparsity is a share of.
  public enum Budget: String, CaseIterable, Sendable {
    case weights
    /// The multiply-adds per example with the prunable weights. The last removed weight brings the
    /// sparsity to the requested one or just above it.
    case flops
  }

  /// All tensors of the vector [d], in its order.
  public let tensors: [WeightTensor]
  public let scope: Scope
  /// Sparsities of single tensors, for the uniform scope. All others share one sparsity, chosen
  /// such that the total is the requested one.
  public let tensorSparsities: [String: Double]
  /// The pattern of the kept weights.
  public let pattern: Pattern
  public let weighing: Weighing
  public let budget: Budget
  /// The highest sparsity that any tensor may get.
  public let maximumTensorSparsity: Double

  /// Creates a selection.
  ///
  /// - Parameters:
  ///   - tensorSparsities: in [0, 1), by tensor name.
  ///   - maximumTensorSparsity: in (0, 1].
  /// - Throws: `PruningError` if nothing is prunable, the pattern does not fit a tensor, or a
  ///   required number of multiply-adds is unknown.
  public init(
    of tensors: [WeightTensor], scope: Scope = .global, tensorSparsities: [String: Double] = [:],
    pattern: Pattern = .unstructured, weighing: Weighing = .none, budget: Budget = .weights,
    maximumTensorSparsity: Double = 1
  ) throws(PruningError) {
    precondition(scope == .uniform || tensorSparsities.isEmpty, "sparsities in scope \(scope)")
    self.tensors = tensors
    self.scope = scope
    self.tensorSparsities = tensorSparsities
    self.pattern = pattern
    self.weighing = weighing
    self.budget = budget
    self.maximumTensorSparsity = maximumTensorSparsity
    for tensor in tensors where tensor.isPrunable { try pattern.check(tensor) }
    if let sparsity = pattern.sparsity, sparsity > maximumTensorSparsity {
      throw PruningError(
        "the pattern \(pattern) gives each tensor a sparsity of \(sparsity): expected at most "
          + "\(maximumTensorSparsity)")
    }
    guard budget == .weights || (scope == .global && pattern.sparsity == nil) else {
      throw PruningError(
        "a sparsity of multiply-adds is one of all tensors together: expected the global scope, "
          + "and a "
          + "pattern without a sparsity of its own")
    }
    if weighing == .flops || budget == .flops,
      let tensor = tensors.first(where: { $0.isPrunable && $0.multiplyAdds == 0 })
    {
      throw PruningError(
        "tensor '\(tensor.name)' cannot be weighed by its multiply-adds: expected a "
          + "\(setting: "model") whose linear, convolution or attention layer has it, or it "
          + "excluded")
    }
    guard prunableCount > 0 else {
      throw PruningError(
        "no weight is prunable: expected a tensor that \(setting: "exclude") leaves")
    }
  }

  /// Ranges of the vector [d] whose weights are removed together, of any size, in ascending order.
  public var groups: [Range<Int>] {
    guard pattern == .channels else { return [] }
    return prunable.flatMap { tensor in
      let size = pattern.blockSize(in: tensor)
      return stride(from: tensor.range.lowerBound, to: tensor.range.upperBound, by: size)
        .map { $0..<$0 + size }
    }
  }

  public var prunable: [WeightTensor] { tensors.filter(\.isPrunable) }

  public var prunableCount: Int { prunable.reduce(0) { $0 + $1.range.count } }

  /// Returns a mask that removes `sparsity` of the prunable weights, rounded up to whole blocks of
  /// the pattern. Collective.
  ///
  /// - Parameters:
  ///   - sparsity: in [0, 1); the pattern's own, if it has one.
  ///   - saliencies: one per coordinate of this rank's slice; a block's score is their sum.
  ///   - previous: its removed weights stay removed and count.
  /// - Throws: on all ranks together, if a saliency is not finite, or if the scope, the pattern or
  ///   the previous mask cannot be satisfied.
  public func mask(
    removing sparsity: Double, bySaliency saliencies: [Double],
    after previous: Mask, partition: CellPartition, on world: Communicator
  ) throws -> Mask {
    let slice = previous.slice
    precondition(
      saliencies.count == slice.count && slice == partition.slice(of: world.rank),
      "\(saliencies.count) saliencies for \(slice) of \(partition.slice(of: world.rank))")
    try world.agree { try check(saliencies, in: slice) }
    var scores = saliencies
    if weighing == .flops {
      for tensor in prunable {
        for i in tensor.range.clamped(to: slice) {
          scores[i - slice.lowerBound] /= Double(tensor.multiplyAdds)
        }
      }
    }
    for i in scores.indices where !previous.isKept[i] { scores[i] = -.infinity }
    let blocks = try PatternBlocks(
      of: tensors, in: pattern, scores: scores, partition: partition, on: world)
    let mask: Mask
    if case .consecutive(let kept, _) = pattern {
      mask = blocks.mask(keeping: kept)
    } else {
      let kept = try previous.keptCounts(of: prunable, on: world)
      let counts = try world.agree {
        try self.counts(for: sparsity, after: zip(prunable, kept).map { $0.range.count - $1 })
      }
      mask = blocks.mask(removing: try select(counts, of: blocks, on: world))
    }
    try world.agree { try check(previous, leaves: mask) }
    return mask
  }

  /// Selects the blocks to remove from each prunable tensor. Collective.
  private func select(
    _ counts: Counts, of blocks: PatternBlocks, on world: Communicator
  ) throws -> [RadixSelect?] {
    switch counts {
    case .ofTensors(let counts):
      return try counts.enumerated().map { index, count in
        try blocks.select(count, of: index, on: world)
      }
    case .inAll(let count):
      // Blocks beyond their tensor's limit do not compete.
      let limits = try prunable.enumerated().map { index, tensor -> RadixSelect? in
        let largest = largestCount(of: tensor)
        return largest == tensor.range.count
          ? .all : try blocks.select(largest, of: index, on: world)
      }
      let selected = try blocks.select(
        count, costs: prunable.map(cost(of:)), upTo: limits, on: world)
      return limits.map { limit in
        guard let limit, let selected else { return nil }
        return min(limit, selected)
      }
    }
  }

  // MARK: How many weights go

  /// Holds the amount to remove: a total cost, completed to a whole block, or the number of weights
  /// of each tensor.
  enum Counts {
    case inAll(Int)
    case ofTensors([Int])
  }

  /// Checks that the tensors can have a sparsity.
  ///
  /// - Throws: `PruningError` if they cannot.
  public func check(_ sparsity: Double) throws(PruningError) {
    if pattern.sparsity == nil {
      _ = try counts(for: sparsity, after: prunable.map { _ in 0 })
    }
  }

  /// Returns the number of weights that a sparsity removes.
  ///
  /// - Parameter previous: the number of weights already removed from each prunable tensor.
  /// - Throws: `PruningError` if the tensors cannot have that sparsity.
  func counts(
    for sparsity: Double, after previous: [Int]
  ) throws(PruningError) -> Counts {
    // Counts are in blocks if all blocks have the same size, else in weights.
    let unit = pattern.blockSize ?? 1
    let sizes = prunable.map { $0.range.count / unit }
    let total = DecimalFraction(sparsity).roundedUp(of: sizes.reduce(0, +))
    let largest = prunable.map(largestCount(of:))
    // A block that has lost some of its weights is removed as a whole.
    let least = previous.map { ($0 + unit - 1) / unit }
    let counts: [Int]
    switch scope {
    case .global where budget == .flops:
      let costs = prunable.map(cost(of:))
      let total = DecimalFraction(sparsity).roundedUp(
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
    case .uniform:
      let fixed = prunable.map { tensor in
        tensorSparsities[tensor.name].map { removedCount($0, of: tensor) / unit }
      }
      let rest = total - fixed.reduce(0) { $0 + ($1 ?? 0) }
      let restSizes = zip(sizes, fixed).map { $1 == nil ? $0 : 0 }
      guard rest >= 0, rest <= restSizes.reduce(0, +) else {
        throw PruningError(
          "a sparsity of \(sparsity) removes \(total * unit) weights: expected sparsities of "
            + "single "
            + "tensors that leave between 0 and \(restSizes.reduce(0, +) * unit) of them to the "
            + "other "
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

  /// Returns the total cost to remove, given `previous` removed weights per tensor. It exceeds
  /// `total` only if the last block already removed did.
  ///
  /// - Parameter costs: the cost of a block and of a weight, for each tensor.
  private static func total(
    _ total: Int, after previous: [Int], costs: [(block: Int, weight: Int)]
  ) -> Int {
    let removed = zip(previous, costs).filter { $0.0 > 0 }
    let cost = removed.reduce(0) { $0 + $1.0 * $1.1.weight }
    let last = removed.map(\.1.block).max() ?? 0
    return cost > total && cost - last < total ? cost : total
  }

  /// Returns the cost of one weight in the units of the budget.
  func cost(of tensor: WeightTensor) -> Int {
    budget == .flops ? tensor.multiplyAdds : 1
  }

  /// Returns the number of weights in a share of a tensor's blocks.
  private func removedCount(_ share: Double, of tensor: WeightTensor) -> Int {
    let size = pattern.blockSize(in: tensor)
    return DecimalFraction(share).roundedUp(of: tensor.range.count / size) * size
  }

  /// Returns the largest number of weights that a tensor may lose.
  func largestCount(of tensor: WeightTensor) -> Int {
    let size = pattern.blockSize(in: tensor)
    return DecimalFraction(maximumTensorSparsity).roundedDown(of: tensor.range.count / size) * size
  }

  /// Divides `total` in proportion to `sizes`. No share is below `previous` if the sum of these is
  /// at most `total`.
  ///
  /// Shares are rounded down. The rest (or the excess) is then added (or taken) one at a time at
  /// the share farthest from proportion. Rounding by the largest remainders alone would sometimes
  /// take a weight back as the total grows.
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

  /// Returns the share of the budget that a mask has removed. Collective.
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

  // MARK: Checks

  private func check(
    _ saliencies: [Double], in slice: Range<Int>
  ) throws(PruningError) {
    for tensor in prunable {
      for i in tensor.range.clamped(to: slice) where !saliencies[i - slice.lowerBound].isFinite {
        throw PruningError(
          "the saliency of element \(i - tensor.range.lowerBound) of '\(tensor.name)' is not "
            + "finite: "
            + "got \(saliencies[i - slice.lowerBound])")
      }
    }
  }

  /// Checks that all removed weights stay removed.
  private func check(_ previous: Mask, leaves mask: Mask) throws(PruningError) {
    let slice = mask.slice
    for i in slice where mask.isKept[i - slice.lowerBound] && !previous.isKept[i - slice.lowerBound]
    {
      let tensor = tensors.first { $0.range.contains(i) }!
      guard tensor.isPrunable else {
        throw PruningError(
          "the previous mask removes some of '\(tensor.name)', which is not to be pruned: "
            + "expected "
            + "it included, or another mask")
      }
      throw PruningError(
        "the previous mask removes more of '\(tensor.name)' than the sparsity, scope and "
          + "pattern "
          + "asked for do: expected a higher sparsity, or another mask")
    }
  }
}
