import Curvature
import Pruning
import Sharding

extension PruningPlan {
  /// What a weight is judged by, and with it how those that stay answer.
  public enum Method: String, CaseIterable, Sendable {
    case magnitude, diagonal, woodfisher, mfac

    /// How the weights are cut into cells: block by block where the matrix is, else as ever.
    ///
    /// - Parameter tensors: where each begins, the first at 0, so that no block is of two.
    package func cells(of count: Int, blockSize: Int, tensors: [Int]) -> Cells {
      guard self == .woodfisher else { return Cells(parameterCount: count) }
      return Cells(parameterCount: count, size: blockSize, restartingAt: tensors)
    }

    /// The method, by these gradients.
    ///
    /// - Parameters:
    ///   - rows: this rank's columns of the gradients; not needed for magnitudes.
    ///   - candidates: of the first the λ is `diagonal`'s.
    ///   - judge, groups: see `FisherPruning`.
    package func pruning(
      by rows: GradientRows?, partition: CellPartition, candidates: ModelCandidates,
      judge: (any HeldOutJudge)? = nil, answer: BrainSurgeon.Update, groups: [Range<Int>] = [],
      rank: Int
    ) -> any PruningMethod {
      guard let rows, self != .magnitude else { return MagnitudePruning() }
      if self == .diagonal {
        return DiagonalPruning(rows: rows, damping: candidates.models[0].damping)
      }
      return FisherPruning(
        rows: rows, partition: partition, candidates: candidates, judge: judge,
        isBlockwise: self == .woodfisher, answer: answer, groups: groups, rank: rank)
    }
  }
}
