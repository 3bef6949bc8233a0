import Formats
import LinearAlgebra
import MPI
import Sharding

/// What a run holds in memory on a rank, known before it is allocated.
public struct MemoryPlan: Sendable {
  /// What fills most of it.
  enum Holder: String {
    case optimizer = "the optimizer"
    case gradients = "the gradients"

    /// What takes less, where nothing is worked out.
    var remedy: Diagnostic {
      switch self {
      case .optimizer: "more nodes, or a smaller network, take less"
      case .gradients: "fewer \(setting: "gradients"), or more nodes take less"
      }
    }
  }

  let holder: Holder
  /// The optimizer's, m·d/p of window and its m×m side, or momenta; or m·d/p of gradients and what
  /// is made of them.
  public let state: Int
  /// The parameters [d] and the micro-batches' gradients, a few times [d], and a micro-batch of
  /// examples.
  public let vectors: Int
  /// The network's activations for one micro-batch.
  public let activations: Int

  /// Of training.
  package init(optimizer: Int, vectors: Int, activations: Int) {
    self.init(.optimizer, optimizer, vectors: vectors, activations: activations)
  }

  /// Of pruning, and of questions to a Fisher matrix.
  package init(gradients: Int, vectors: Int, activations: Int) {
    self.init(.gradients, gradients, vectors: vectors, activations: activations)
  }

  private init(_ holder: Holder, _ state: Int, vectors: Int, activations: Int) {
    self.holder = holder
    self.state = state
    self.vectors = vectors
    self.activations = activations
  }

  /// Of a collection of gradients.
  ///
  /// - Parameters:
  ///   - kept: bytes that the caller keeps: the rows' columns, and what it makes of them.
  ///   - collection: the count of the collection.
  package init(gradients kept: Int, collection: MemoryCount) {
    self.init(
      gradients: kept, vectors: collection[.vectors], activations: collection[.activations])
  }

  /// With what another takes at the same time.
  package static func += (plan: inout MemoryPlan, other: MemoryPlan) {
    plan = MemoryPlan(
      plan.holder, sum(plan.state, other.state), vectors: sum(plan.vectors, other.vectors),
      activations: sum(plan.activations, other.activations))
  }

  /// Bytes of a rank in all.
  public var total: Int { Self.sum(Self.sum(state, vectors), activations) }

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

  /// Refuses a plan for which a node does not have the memory, or this process may not have it.
  /// Collective.
  ///
  /// - Parameter remedy: what to type instead, where something is found that fits; it is asked with
  ///   a function that says whether a plan does.
  package func check(
    on world: Communicator,
    remedy: (_ fits: (MemoryPlan) -> Bool) throws -> Diagnostic? = { _ in nil }
  ) throws {
    let ranksHere = world.ranksOnThisNode
    // Of the addresses that a process may use, some are lost between allocations.
    let (node, process) = (
      availableMemory() ?? .max, availableAddressSpace().map { $0 / 8 * 7 } ?? .max
    )
    func fits(_ plan: MemoryPlan) -> Bool {
      plan.total <= process && plan.total(ranks: ranksHere) <= node
    }
    try world.agree {
      guard !fits(self) else { return }
      throw InsufficientMemory(
        plan: self, ranksHere: total > process ? 1 : ranksHere,
        available: total > process ? process : node, remedy: try remedy(fits))
    }
  }
}

/// A run that does not fit in memory.
public struct InsufficientMemory: DiagnosticError {
  let plan: MemoryPlan
  let ranksHere: Int
  let available: Int
  let remedy: Diagnostic?

  public var diagnostic: Diagnostic {
    """
    this run needs \(formatBytes(plan.total)) on a rank, of which \(plan.holder.rawValue) \
    \(formatBytes(plan.state)) and activations \(formatBytes(plan.activations)); with \(ranksHere) \
    on this node that is \(formatBytes(plan.total(ranks: ranksHere))), and \
    \(formatBytes(available)) are available (\(remedy ?? plan.holder.remedy))
    """
  }
}
