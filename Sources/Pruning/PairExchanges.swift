/// Exchanges pairs among a few kept and removed weights of a quadratic model.
///
///     A [n, n]   gᵢᵀS_R⁻¹gⱼ of `SurgeonModel`, for these weights
///     β̃ [n]      wᵢ + gᵢᵀS_R⁻¹v
///
/// Let a set P of the weights change sides, D = diag(−1 if kept, +1 if removed) and `M = D + A_PP`.
/// By the Woodbury identity, the minimum changes by `−(λ/2) β̃_PᵀM⁻¹β̃_P`, β̃ by `−A_P M⁻¹β̃_P` and
/// A by `−A_P M⁻¹A_Pᵀ`, all exactly. Further exchanges therefore need no gradients.
package struct PairExchanges {
  /// One flag per weight.
  package private(set) var isKept: [Bool]
  /// β̃.
  package private(set) var weights: [Double]
  /// A, by rows.
  private var leverages: [Double]
  private let damping: Double
  private var count: Int { weights.count }

  /// Starts with the given sides, weights and leverages.
  ///
  /// - Parameters:
  ///   - weights: β̃, shape [n].
  ///   - leverages: A, shape [n, n].
  ///   - damping: λ.
  package init(isKept: [Bool], weights: [Double], leverages: [Double], damping: Double) {
    precondition(
      isKept.count == weights.count && leverages.count == weights.count * weights.count,
      "\(isKept.count) sides, \(weights.count) weights, \(leverages.count) leverages")
    self.isKept = isKept
    self.weights = weights
    self.leverages = leverages
    self.damping = damping
  }

  /// Returns the change of the minimum when kept i is removed and removed j is kept.
  package func change(removing i: Int, keeping j: Int) -> Double {
    let (x, y) = pair(i, j).solve(weights[i], weights[j])
    return -damping / 2 * (weights[i] * x + weights[j] * y)
  }

  /// The matrix M of two weights, `[a, b; b, c]`.
  private struct Pair {
    let a, b, c: Double

    /// Returns `M⁻¹` times a vector.
    func solve(_ x: Double, _ y: Double) -> (Double, Double) {
      let determinant = a * c - b * b
      return ((c * x - b * y) / determinant, (a * y - b * x) / determinant)
    }
  }

  private func pair(_ i: Int, _ j: Int) -> Pair {
    Pair(
      a: leverages[i * count + i] - 1, b: leverages[i * count + j], c: leverages[j * count + j] + 1)
  }

  /// Removes kept i and keeps removed j.
  package mutating func exchange(removing i: Int, keeping j: Int) {
    precondition(isKept[i] && !isKept[j], "weights \(i) and \(j) are on other sides")
    let n = count
    let pair = pair(i, j)
    let (x, y) = pair.solve(weights[i], weights[j])
    let columns = (0..<n).map { (leverages[$0 * n + i], leverages[$0 * n + j]) }
    for k in 0..<n {
      let (a, b) = columns[k]
      weights[k] -= a * x + b * y
      let (s, t) = pair.solve(a, b)
      for l in 0..<n { leverages[k * n + l] -= s * columns[l].0 + t * columns[l].1 }
    }
    isKept[i] = false
    isKept[j] = true
  }

  /// Makes the exchange of the largest gain (on ties, the first) and repeats while one gains.
  ///
  /// - Parameters:
  ///   - least: the smallest gain that counts, above rounding.
  ///   - isAllowed: returns true if removed j may replace kept i.
  ///   - made: called after each exchange.
  package mutating func descend(
    least: Double, isAllowed: (_ i: Int, _ j: Int) -> Bool, made: (_ i: Int, _ j: Int) -> Void
  ) {
    // Each exchange gains, so the loop would end without rounding too; the bound covers rounding.
    for _ in 0..<4 * count {
      var best: (change: Double, i: Int, j: Int)?
      for i in 0..<count where isKept[i] {
        for j in 0..<count where !isKept[j] && isAllowed(i, j) {
          let change = change(removing: i, keeping: j)
          if change < (best?.change ?? -least) { best = (change, i, j) }
        }
      }
      guard let best else { return }
      exchange(removing: best.i, keeping: best.j)
      made(best.i, best.j)
    }
  }
}
