import MPI
import Sharding

/// Which weights go: those of the least saliency, of equal ones the first.
///
/// Exactly as many as asked for: of n weights the least number that is not below `sparsity`·n,
/// counted by the decimal number that the sparsity is written as.
public struct Selection: Sendable {
  /// Which weights compete with one another.
  public enum Scope: String, CaseIterable, Sendable {
    /// All that are prunable.
    case global
    /// Those of a tensor; each gets the same sparsity, but for those that have one of their own.
    case uniform
  }

  /// What a saliency is divided by.
  public enum Weighing: String, CaseIterable, Sendable {
    case none
    /// The weight's multiply-adds for an example, so that for the same loss more of them are saved
    /// (WoodFisher; Singh and Alistarh, 2020).
    case flops
  }

  /// What a sparsity is a share of.
  public enum Budget: String, CaseIterable, Sendable {
    case weights
    /// The multiply-adds of an example with the prunable weights: the last weight that goes brings
    /// the sparsity to what is asked for or just above it.
    case flops
  }

  /// All tensors of the vector [d], in its order.
  public let tensors: [WeightTensor]
  /// Which weights compete with one another.
  public let scope: Scope
  /// Sparsities of tensors' own, where the scope is uniform: the others get the same one, such that
  /// the sparsity in all is the one asked for.
  public let tensorSparsities: [String: Double]
  /// What the kept weights of a tensor must look like.
  public let pattern: Pattern
  /// What a saliency is divided by.
  public let weighing: Weighing
  /// What a sparsity is a share of.
  public let budget: Budget
  /// No tensor gets a higher sparsity.
  public let maximumTensorSparsity: Double

  /// - Parameters:
  ///   - tensorSparsities: in [0, 1), by the tensors' names.
  ///   - maximumTensorSparsity: in (0, 1].
  /// - Throws: `PruningError` where nothing is prunable, the pattern does not fit a tensor, or a
  ///   tensor's multiply-adds are asked for and not known.
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

  /// Weights that go together as one, of any number: of the vector [d], one after another.
  public var groups: [Range<Int>] {
    guard pattern == .channels else { return [] }
    return prunable.flatMap { tensor in
      let size = pattern.blockSize(in: tensor)
      return stride(from: tensor.range.lowerBound, to: tensor.range.upperBound, by: size)
        .map { $0..<$0 + size }
    }
  }

  /// The tensors whose weights may be removed.
  public var prunable: [WeightTensor] { tensors.filter(\.isPrunable) }

  /// Weights that may be removed.
  public var prunableCount: Int { prunable.reduce(0) { $0 + $1.range.count } }

  /// A mask that removes `sparsity` of the prunable weights, rounded up to a whole number of the
  /// pattern's blocks. Collective.
  ///
  /// - Parameters:
  ///   - sparsity: in [0, 1); that of the pattern, where it has one.
  ///   - saliencies: one for each coordinate of this rank's slice; of blocks their members' are
  ///     added.
  ///   - previous: what it has removed stays removed, and counts.
  /// - Throws: on all ranks together, where a saliency is not finite, or where the scope, the
  ///   pattern or the previous mask cannot be followed.
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

  /// Selects the blocks of each prunable tensor that go. Collective.
  private func select(
    _ counts: Counts, of blocks: PatternBlocks, on world: Communicator
  ) throws -> [RadixSelect?] {
    switch counts {
    case .ofTensors(let counts):
      return try counts.enumerated().map { index, count in
        try blocks.select(count, of: index, on: world)
      }
    case .inAll(let count):
      // Blocks beyond what their tensor may lose do not compete.
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

  /// Numbers of weights to remove, in all what they cost, and as many more as make the last block
  /// whole.
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
    let total = DecimalFraction(sparsity).roundedUp(of: sizes.reduce(0, +))
    let largest = prunable.map(largestCount(of:))
    // A block that has lost some of its weights goes whole.
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

  /// What is to be removed in all, where `previous` weights of each tensor are: no less than these
  /// cost, if the last block of theirs may have brought them beyond `total`.
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
    return DecimalFraction(share).roundedUp(of: tensor.range.count / size) * size
  }

  /// Weights that a tensor may lose.
  func largestCount(of tensor: WeightTensor) -> Int {
    let size = pattern.blockSize(in: tensor)
    return DecimalFraction(maximumTensorSparsity).roundedDown(of: tensor.range.count / size) * size
  }

  /// `total` shared out in proportion to `sizes`, where no share is below `previous`, if these sum
  /// up to the total at most: rounded down, and what is left, or too much, taken one by one where
  /// it is farthest from proportion, of equal ones from the first.
  ///
  /// Rounding by the largest remainders alone would now and then take a weight back as the total
  /// grows.
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

  /// Checks that all that was removed still is.
  private func check(_ previous: Mask, leaves mask: Mask) throws(PruningError) {
    let slice = mask.slice
    for i in slice where mask.isKept[i - slice.lowerBound] && !previous.isKept[i - slice.lowerBound]
    {
      let tensor = tensors.first { $0.range.contains(i) }!
      guard tensor.isPrunable else {
        throw PruningError(
          "the mask that was there removes some of '\(tensor.name)', which is not to be pruned: "
            + "expected "
            + "it included, or another mask")
      }
      throw PruningError(
        "the mask that was there removes more of '\(tensor.name)' than the sparsity, scope and "
          + "pattern "
          + "asked for do: expected a higher sparsity, or another mask")
    }
  }
}
