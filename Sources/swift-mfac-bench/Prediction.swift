import MPI
import Optimizers
import RunRecords
import Sharding

/// Predicts a step by an α–β model. Each rank's work takes its share of the seconds that one rank
/// was measured to need. Its messages take `messages·α + bytes/β`.
///
/// The program's own functions give each rank's work and traffic for a number of ranks. A phase
/// lasts as long as its slowest rank, and phases do not overlap.
struct Prediction {
  let problem: Problem
  /// s, number of running statistics of the network; 0 for the optimizer alone.
  let statistics: Int
  /// Returns the optimizer's traffic and work for a number of ranks.
  let load: (_ ranks: Int) -> OptimizerLoad
  /// The step measured on one rank.
  let measured: StepResult
  /// Seconds per coordinate for adding one vector to another.
  let additionSeconds: Double
  let link: ScalingCurves.Link

  func step(ranks p: Int) -> StepResult {
    var phases: [StepResult.PhaseCost] = []
    let load = load(p)
    let traffic = problem.traffic(ranks: p, statistics: statistics, load: load)
    let work = Work(problem, ranks: p, load)
    for phase in Phase.allCases {
      guard let one = measured[phase]?.seconds else { continue }
      let sent = traffic[phase] ?? [Traffic](repeating: Traffic(), count: p)
      let seconds = (0..<p).map { rank in
        work.seconds(of: phase, rank: rank, one: one, addition: additionSeconds)
          + link.seconds(of: sent[rank])
      }
      phases.append(
        StepResult.PhaseCost(
          phase, seconds: seconds, messages: sent.map(\.messages), bytes: sent.map(\.bytes)))
    }
    let whole = (0..<p).map { rank in traffic.values.reduce(Traffic()) { $0 + $1[rank] } }
    return StepResult(
      ranks: p, seconds: phases.reduce(0) { $0 + $1.seconds }, phases: phases,
      messages: whole.map(\.messages).max()!, bytes: whole.map(\.bytes).max()!,
      batchSize: problem.batchSize(ranks: p))
  }

  /// Divides the work between the ranks.
  private struct Work {
    /// Coordinates and cells of each rank, relative to those of the measured rank.
    private let slices: [Double]
    private let cells: [Double]
    private let sliceCounts: [Int]
    private let microBatches: [Int]
    /// Number of each rank's nodes in the tree over the micro-batches.
    private let nodes: [Int]
    private let allNodes: Int
    private let measuredMicroBatches: Int
    private let parameters: Int
    private let ranks: Int
    private let load: OptimizerLoad

    init(_ problem: Problem, ranks p: Int, _ load: OptimizerLoad) {
      ranks = p
      self.load = load
      let one = problem.parameters(ranks: 1)
      let partition = problem.partition(ranks: p)
      sliceCounts = (0..<p).map { partition.slice(of: $0).count }
      slices = sliceCounts.map { Double($0) / Double(one) }
      let oneCells = Cells(parameterCount: one).count
      cells = (0..<p).map { Double(partition.cells(of: $0).count) / Double(oneCells) }
      parameters = problem.parameters(ranks: p)
      measuredMicroBatches = problem.microBatches(ranks: 1) ?? 0
      let shares = problem.shares(ranks: p)
      microBatches = (0..<p).map { shares?.range(of: $0).count ?? 0 }
      nodes = (0..<p).map { rank in
        shares.map { FixedTree.cover($0.range(of: rank), of: $0.items).count } ?? 0
      }
      allNodes = nodes.reduce(0, +)
    }

    /// Returns the predicted seconds of a phase on a rank.
    ///
    /// - Parameter one: seconds measured on one rank.
    func seconds(of phase: Phase, rank: Int, one: Double, addition: Double) -> Double {
      switch phase {
      case .inverse where load.multipliesMicroBatches: return one * microBatchShare(rank)
      case .exchange where load.multipliesMicroBatches: return one * sumShare(rank)
      case .data, .gradient, .factors, .quadratic: return one * microBatchShare(rank)
      case .reduceScatter:
        // Each rank adds up the gradients of its micro-batches, then the nodes of all ranks on its
        // slice.
        let additions =
          (microBatches[rank] - nodes[rank]) * parameters + (allNodes - 1) * sliceCounts[rank]
        return addition * Double(additions)
      case .direction: return one * (load.shares[.direction]?[rank] ?? slices[rank])
      case .inverse: return one * (load.shares[.inverse]?[rank] ?? 1)
      case .gramRow, .update: return one * slices[rank]
      case .sum: return one * cells[rank]
      case .loss, .solve, .exchange, .allGather, .spectrum, .pruning, .evaluation,
        .saving:
        return one
      }
    }

    private func microBatchShare(_ rank: Int) -> Double {
      Double(microBatches[rank]) / Double(measuredMicroBatches)
    }

    /// Returns a rank's share of the additions and copies in a sum over all micro-batches. They are
    /// those of its own micro-batches, of its slice of the other nodes, and of the whole sum.
    private func sumShare(_ rank: Int) -> Double {
      let local = Double(microBatches[rank] - nodes[rank] + 1)
      return (local + Double(allNodes - 1) / Double(ranks)) / Double(measuredMicroBatches)
    }
  }
}

extension ScalingCurves.Link {
  func seconds(of sent: Traffic) -> Double {
    Double(sent.messages) * latency + Double(sent.bytes) / bandwidth
  }
}
