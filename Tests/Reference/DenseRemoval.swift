/// Removes weights by a dense quadratic model, `q(δ) = gᵀδ + ½ δᵀFδ`; the exact solution for small
/// d.
///
/// `F = λI + (1/m) GᵀG`, shape [d, d], and `g = (η/m) Gᵀ1`.
public struct DenseRemoval {
  public let fisher: DenseMatrix
  public let gradient: [Double]
  public let weights: [Double]

  public init(rows: [[Double]], weights: [Double], damping: Double, gradientScale: Double) {
    fisher = denseFisher(rows: rows, capacity: rows.count, damping: damping)
    gradient = weights.indices.map { i in
      gradientScale / Double(rows.count) * rows.reduce(0) { $0 + $1[i] }
    }
    self.weights = weights
  }

  /// Returns `q(δ)`.
  public func value(_ change: [Double]) -> Double {
    zip(gradient, change).reduce(0) { $0 + $1.0 * $1.1 }
      + zip(change, fisher * change).reduce(0) { $0 + $1.0 * $1.1 } / 2
  }

  /// Returns the change of least value that removes the weights of M: `F_RR δ_R = −g_R − F_RM δ_M`.
  public func change(removing removed: [Bool]) -> [Double] {
    let kept = weights.indices.filter { !removed[$0] }
    var change = weights.indices.map { removed[$0] ? -weights[$0] : 0 }
    let system = DenseMatrix(rows: kept.count, columns: kept.count) { fisher[kept[$0], kept[$1]] }
    let forced = fisher * change
    let solution = system.solve(kept.map { -gradient[$0] - forced[$0] })
    for (i, number) in zip(kept, solution) { change[i] = number }
    return change
  }

  /// Returns the sum of the changes for single weights q of M, `−(w_q/[F⁻¹]_qq) F⁻¹e_q`, with M
  /// itself then removed: the update of WoodFisher and M-FAC, without the gradient.
  public func independentChange(removing removed: [Bool]) -> [Double] {
    var change = [Double](repeating: 0, count: weights.count)
    for q in weights.indices where removed[q] {
      let column = fisher.solve(weights.indices.map { $0 == q ? 1 : 0 })
      for i in weights.indices { change[i] -= weights[q] / column[q] * column[i] }
    }
    for q in weights.indices where removed[q] { change[q] = -weights[q] }
    return change
  }
}
