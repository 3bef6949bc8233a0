/// Removing weights by a dense quadratic model, `q(δ) = gᵀδ + ½ δᵀFδ` with `F = λI + (1/m) GᵀG` [d,
/// d] and `g = (η/m) Gᵀ1`: the truth for small d.
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

  /// `q(δ)`.
  public func value(_ change: [Double]) -> Double {
    zip(gradient, change).reduce(0) { $0 + $1.0 * $1.1 }
      + zip(change, fisher * change).reduce(0) { $0 + $1.0 * $1.1 } / 2
  }

  /// The change of least value in which the weights of M vanish: `F_RR δ_R = −g_R − F_RM δ_M`.
  public func change(removing removed: [Bool]) -> [Double] {
    let kept = weights.indices.filter { !removed[$0] }
    var change = weights.indices.map { removed[$0] ? -weights[$0] : 0 }
    let system = DenseMatrix(rows: kept.count, columns: kept.count) { fisher[kept[$0], kept[$1]] }
    let forced = fisher * change
    let solution = system.solve(kept.map { -gradient[$0] - forced[$0] })
    for (i, number) in zip(kept, solution) { change[i] = number }
    return change
  }

  /// The sum of the changes that single weights q of M ask for, `−(w_q/[F⁻¹]_qq) F⁻¹e_q`, and then
  /// M itself removed: what WoodFisher and M-FAC do, without gradient.
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
