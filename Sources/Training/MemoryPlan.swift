import MPI
import Sharding

/// What a run holds in memory on a rank, known before it is allocated.
public struct MemoryPlan: Sendable {
  /// The optimizer: m·d/p of window and its m×m side, or momenta.
  public let optimizer: Int
  /// The parameters [d] and the micro-batches' gradients, a few times [d], and a micro-batch of
  /// examples.
  public let vectors: Int
  /// The network's activations for one micro-batch.
  public let activations: Int

  package init(optimizer: Int, vectors: Int, activations: Int) {
    self.optimizer = optimizer
    self.vectors = vectors
    self.activations = activations
  }

  public var total: Int { Self.sum(Self.sum(optimizer, vectors), activations) }

  /// More than can be addressed is as good as the largest number.
  private static func sum(_ a: Int, _ b: Int) -> Int {
    let (sum, overflow) = a.addingReportingOverflow(b)
    return overflow ? .max : sum
  }

  /// Of several ranks.
  func total(ranks: Int) -> Int {
    let (product, overflow) = total.multipliedReportingOverflow(by: ranks)
    return overflow ? .max : product
  }

  /// Refuses a plan for which a node does not have the memory. Collective.
  package func check(on world: Communicator) throws {
    let available = availableMemory()
    let ranksHere = world.ranksOnThisNode
    try world.agree {
      guard let available, total(ranks: ranksHere) > available else { return }
      throw InsufficientMemory(plan: self, ranksHere: ranksHere, available: available)
    }
  }
}

/// A run that does not fit in memory.
public struct InsufficientMemory: Error, CustomStringConvertible {
  let plan: MemoryPlan
  let ranksHere: Int
  let available: Int

  public var description: String {
    """
    this run needs \(formatBytes(plan.total)) on a rank, of which the optimizer \
    \(formatBytes(plan.optimizer)) and activations \(formatBytes(plan.activations)); with \(ranksHere) on this node that is \
    \(formatBytes(plan.total(ranks: ranksHere))), and \(formatBytes(available)) are available \
    (a smaller --window, more --micro-batches, or more nodes take less)
    """
  }
}
