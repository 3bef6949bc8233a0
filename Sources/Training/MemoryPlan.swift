import MPI
import Sharding

/// What a run holds in memory on a rank, known before it is allocated.
public struct MemoryPlan: Sendable {
  /// The optimizer: m·d/p of window and its m×m side, or momenta.
  public let optimizer: Int
  /// The parameters [d] and the micro-batches' gradients, a few times [d].
  public let vectors: Int
  /// The network's activations for one micro-batch.
  public let activations: Int

  public var total: Int { optimizer + vectors + activations }

  /// Refuses a plan for which a node does not have the memory. Collective.
  func check(on world: Communicator) throws {
    let available = availableMemory()
    let ranksHere = world.ranksOnThisNode
    try world.agree {
      guard let available, total * ranksHere > available else { return }
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
    \(formatBytes(plan.optimizer)); with \(ranksHere) on this node that is \
    \(formatBytes(plan.total * ranksHere)), and \(formatBytes(available)) are available \
    (take a smaller --window, or more nodes)
    """
  }
}
