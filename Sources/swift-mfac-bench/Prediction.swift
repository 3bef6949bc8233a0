import MPI
import Optimizers
import RunRecords
import Sharding

/// An α–β model of a step: what one rank does in the seconds that one rank was measured to take for
/// it, and `messages·α + bytes/β` for what it sends.
///
/// The program's own functions of the number of ranks say who computes and sends what. A phase
/// takes as long as its slowest rank, and no phase overlaps another.
struct Prediction {
  let problem: Problem
  /// s, running statistics of the network; none for the optimizer alone.
  let statistics: Int
  /// What the optimizer sends and does with a number of ranks.
  let load: (_ ranks: Int) -> OptimizerLoad
  /// On one rank.
  let measured: StepResult
  /// Of adding a coordinate of one vector to another's.
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

  /// How much of the work is whose.
  private struct Work {
    /// Cells and coordinates of each rank, as shares of what the measured rank has.
    private let slices: [Double]
    private let cells: [Double]
    private let sliceCounts: [Int]
    private let microBatches: [Int]
    /// Of the tree over the micro-batches.
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

    /// - Parameter one: seconds that one rank took.
    func seconds(of phase: Phase, rank: Int, one: Double, addition: Double) -> Double {
      switch phase {
      case .inverse where load.multipliesMicroBatches: return one * microBatchShare(rank)
      case .exchange where load.multipliesMicroBatches: return one * sumShare(rank)
      case .data, .gradient, .factors, .quadratic: return one * microBatchShare(rank)
      case .reduceScatter:
        // Micro-batches' gradients are added up on their rank, and then the ranks' nodes.
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

    /// Of the vectors that one rank adds up and copies for a sum over all micro-batches: a rank's
    /// own micro-batches', of the ranks' nodes its slice, and the whole sum.
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
