import Formats
import LinearAlgebra
import MPI
import Sharding

/// Counts the bytes that a run holds on a rank, before they are allocated.
package struct MemoryPlan: Sendable {
  /// Names the part that takes most of the memory.
  enum Holder: String {
    case optimizer = "the optimizer"
    case gradients = "the gradients"

    /// General advice on taking less memory, if no specific remedy is known.
    var remedy: Diagnostic {
      switch self {
      case .optimizer: "use more nodes or a smaller network"
      case .gradients: "use fewer \(setting: "gradients") or more nodes"
      }
    }
  }

  let holder: Holder
  /// Bytes of the optimizer: m·d/p of window and its m×m side, or momenta. For pruning and queries:
  /// m·d/p of gradients and what is computed from them.
  package let state: Int
  /// Bytes of the parameters [d], the micro-batches' gradients (a few times [d]) and a micro-batch
  /// of examples.
  package let vectors: Int
  /// Bytes of the network's activations for one micro-batch.
  package let activations: Int

  /// Creates a plan for training.
  package init(optimizer: Int, vectors: Int, activations: Int) {
    self.init(.optimizer, optimizer, vectors: vectors, activations: activations)
  }

  /// Creates a plan for pruning, or for queries to a Fisher matrix.
  package init(gradients: Int, vectors: Int, activations: Int) {
    self.init(.gradients, gradients, vectors: vectors, activations: activations)
  }

  private init(_ holder: Holder, _ state: Int, vectors: Int, activations: Int) {
    self.holder = holder
    self.state = state
    self.vectors = vectors
    self.activations = activations
  }

  /// Creates a plan for a collection of gradients.
  ///
  /// - Parameters:
  ///   - kept: bytes that the caller keeps: its columns of the rows, and what it computes from
  ///     them.
  ///   - collection: the memory count of the collection.
  package init(gradients kept: Int, collection: MemoryCount) {
    self.init(
      gradients: kept, vectors: collection[.vectors], activations: collection[.activations])
  }

  /// Adds the memory that another plan takes at the same time.
  package static func += (plan: inout MemoryPlan, other: MemoryPlan) {
    plan = MemoryPlan(
      plan.holder, sum(plan.state, other.state), vectors: sum(plan.vectors, other.vectors),
      activations: sum(plan.activations, other.activations))
  }

  /// Total bytes on a rank.
  package var total: Int { Self.sum(Self.sum(state, vectors), activations) }

  /// Adds two counts; saturates at `Int.max`.
  private static func sum(_ a: Int, _ b: Int) -> Int {
    let (sum, overflow) = a.addingReportingOverflow(b)
    return overflow ? .max : sum
  }

  /// Returns the total bytes of several ranks; saturates at `Int.max`.
  func total(ranks: Int) -> Int {
    let (product, overflow) = total.multipliedReportingOverflow(by: ranks)
    return overflow ? .max : product
  }

  /// Checks that the node has the memory for a plan, and that this process may take it. Collective.
  ///
  /// - Parameter remedy: returns what to type instead, or nil if nothing is found that fits. Its
  ///   argument tests whether a plan fits.
  /// - Throws: on all ranks together, if the plan does not fit on one of them.
  package func check(
    on world: Communicator,
    remedy: (_ fits: (MemoryPlan) -> Bool) throws -> Diagnostic? = { _ in nil }
  ) throws {
    let ranksHere = world.ranksOnThisNode
    // Gaps between allocations take some of a process's addresses: only 7/8 of them count.
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

/// Reports a run that does not fit in memory.
package struct InsufficientMemory: DiagnosticError {
  let plan: MemoryPlan
  let ranksHere: Int
  let available: Int
  let remedy: Diagnostic?

  package var diagnostic: Diagnostic {
    """
    this run needs \(formatBytes(plan.total)) per rank (\(plan.holder.rawValue) \
    \(formatBytes(plan.state)), activations \(formatBytes(plan.activations))) and \
    \(formatBytes(plan.total(ranks: ranksHere))) on this node (ranks: \(ranksHere)), but \
    \(formatBytes(available)) are available (\(remedy ?? plan.holder.remedy))
    """
  }
}
