import MPI
import Sharding

/// Which weights go: those of the least saliency, of equal ones the first.
///
/// Exactly as many as asked for: of n weights the least number that is not below `sparsity`·n, counted
/// by the decimal number that the sparsity is written as.
public struct Selection: Sendable {
  /// Which weights compete with one another.
  public enum Scope: Sendable, Equatable {
    /// All that are prunable.
    case global
    /// Those of a tensor; each gets the same sparsity.
    case uniform
    /// Those of a tensor; those named get a sparsity of their own, the others the same one, such that
    /// the sparsity in all is the one asked for.
    case perTensor([String: Double])
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
    /// The multiply-adds of an example with the prunable weights: the last weight that goes brings the
    /// sparsity to what is asked for or just above it.
    case flops
  }

  /// All tensors of the vector [d], in its order.
  public let tensors: [WeightTensor]
  /// Which weights compete with one another.
  public let scope: Scope
  /// What the kept weights of a tensor must look like.
  public let pattern: Pattern
  /// What a saliency is divided by.
  public let weighing: Weighing
  /// What a sparsity is a share of.
  public let budget: Budget
  /// No tensor gets a higher sparsity.
  public let maximumTensorSparsity: Double

  /// - Parameter maximumTensorSparsity: in (0, 1].
  /// - Throws: `PruningError` where nothing is prunable, the pattern does not fit a tensor, or a tensor's
  ///   multiply-adds are asked for and not known.
  public init(
    of tensors: [WeightTensor], scope: Scope = .global, pattern: Pattern = .unstructured,
    weighing: Weighing = .none, budget: Budget = .weights, maximumTensorSparsity: Double = 1
  ) throws(PruningError) {
    self.tensors = tensors
    self.scope = scope
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
        "a sparsity of multiply-adds is one of all tensors together: expected the global scope, and a "
          + "pattern without a sparsity of its own")
    }
    if weighing == .flops || budget == .flops,
      let tensor = tensors.first(where: { $0.isPrunable && $0.multiplyAdds == 0 })
    {
      throw PruningError(
        "tensor '\(tensor.name)' cannot be weighed by its multiply-adds: expected a --model whose "
          + "linear, convolution or attention layer has it, or it excluded")
    }
    guard prunableCount > 0 else {
      throw PruningError("no weight is prunable: expected a tensor that --exclude leaves")
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
  ///   - saliencies: one for each coordinate of this rank's slice; of blocks their members' are added.
  ///   - previous: what it has removed stays removed, and counts.
  /// - Throws: on all ranks together, where a saliency is not finite, or where the scope, the pattern or
  ///   the previous mask cannot be followed.
  public func mask(
    removing sparsity: Double, bySaliency saliencies: UnsafeBufferPointer<Double>,
    after previous: Mask, partition: CellPartition, on world: Communicator
  ) throws -> Mask {
    let slice = previous.slice
    precondition(
      saliencies.count == slice.count && slice == partition.slice(of: world.rank),
      "\(saliencies.count) saliencies for \(slice) of \(partition.slice(of: world.rank))")
    try world.agree { try check(saliencies, in: slice) }
    var scores = Array(saliencies)
    if weighing == .flops {
      for tensor in prunable {
        for i in tensor.range.clamped(to: slice) {
          scores[i - slice.lowerBound] /= Double(tensor.multiplyAdds)
        }
      }
    }
    for i in scores.indices where !previous.isKept[i] { scores[i] = -.infinity }
    let blocks = try Blocks(
      of: tensors, in: pattern, scores: scores, partition: partition, on: world)
    let mask: Mask
    if case .consecutive(let kept, _) = pattern {
      mask = blocks.mask(keeping: kept)
    } else {
      let kept = try previous.keptCounts(of: prunable, on: world)
      let counts = try world.agree {
        try self.counts(for: sparsity, after: zip(prunable, kept).map { $0.range.count - $1 })
      }
      mask = blocks.mask(upTo: try boundaries(of: blocks, counts, on: world))
    }
    try world.agree { try check(previous, leaves: mask) }
    return mask
  }

  /// For each prunable tensor, the last of its blocks that goes.
  private func boundaries(
    of blocks: Blocks, _ counts: Counts, on world: Communicator
  ) throws -> [Boundary?] {
    switch counts {
    case .ofTensors(let counts):
      return try counts.enumerated().map { index, count in
        try blocks.boundary(after: count, of: index, on: world)
      }
    case .inAll(let count):
      // Blocks beyond what their tensor may lose do not compete.
      let limits = try prunable.enumerated().map { index, tensor -> Boundary? in
        let largest = largestCount(of: tensor)
        return largest == tensor.range.count
          ? .all : try blocks.boundary(after: largest, of: index, on: world)
      }
      let boundary = try blocks.boundary(
        after: count, costs: prunable.map(cost(of:)), upTo: limits, on: world)
      return limits.map { limit in
        guard let limit, let boundary else { return nil }
        return min(limit, boundary)
      }
    }
  }

  // MARK: Checks

  private func check(
    _ saliencies: UnsafeBufferPointer<Double>, in slice: Range<Int>
  ) throws(PruningError) {
    for tensor in prunable {
      for i in tensor.range.clamped(to: slice) where !saliencies[i - slice.lowerBound].isFinite {
        throw PruningError(
          "the saliency of element \(i - tensor.range.lowerBound) of '\(tensor.name)' is not finite: "
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
          "the mask that was there removes some of '\(tensor.name)', which is not to be pruned: expected "
            + "it included, or another mask")
      }
      throw PruningError(
        "the mask that was there removes more of '\(tensor.name)' than the sparsity, scope and pattern "
          + "asked for do: expected a higher sparsity, or another mask")
    }
  }
}
