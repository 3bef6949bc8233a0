import LinearAlgebra

/// Solves the model of a block of fewer coordinates than gradients with the block's own matrix.
///
///     F [n, n]   λI + (1/m) GᵀG, with G [m, n] the block's columns
///     M          the removed coordinates of the block, δ_M = −w_M
///     R          the kept coordinates of the block
///     g [n]      (η/m) Gᵀ1
///
/// The minimum is at `δ_R = F_RR⁻¹ (F_RM w_M − g_R)`. In the letters of `SurgeonModel`, the slope
/// left in a removed coordinate, `g_M + (Fδ)_M`, is `−λβ̃`. The Schur complement
/// `F_jj − F_jR F_RR⁻¹ F_Rj` is `λ(1 + s)`.
struct BlockMinimum {
  /// The model's value at the minimum.
  let value: Double
  /// The model's value with M removed and all kept weights unchanged.
  let maskedValue: Double
  /// δ, shape [n].
  let change: [Double]
  /// β̃, shape [n].
  private let weights: [Double]
  private let damping: Double
  /// (1/m) GᵀG, shape [n, n].
  private let matrix: [Double]
  private let kept: [Int]
  private let gone: [Int]
  /// A bound on the relative errors of the inverse's diagonal, independent of the coordinates'
  /// scales.
  let error: Double
  /// The Cholesky factor of F_RR.
  private let factor: CholeskyFactor

  /// Solves the model.
  ///
  /// - Parameter matrix: the result of `matrix(of:block:)`.
  init<Element: Scalar>(
    of rows: GradientRows, block: Int, matrix: [Double], weights: UnsafeBufferPointer<Element>,
    removed: [Bool], damping: Double, gradientScale: Double
  ) throws(NotPositiveDefinite) {
    let (m, range) = (rows.count, rows.blocks[block])
    let n = range.count
    let w = range.map { Double(weights[$0]) }
    kept = (0..<n).filter { !removed[range.lowerBound + $0] }
    gone = (0..<n).filter { removed[range.lowerBound + $0] }
    self.matrix = matrix
    self.damping = damping
    factor = CholeskyFactor(capacity: kept.count)
    try factor.factor(matrix, stride: n, rows: kept, shift: damping)
    let condition = factor.scaledCondition()
    error = 4 * .ulpOfOne * condition * condition

    var gradient = [Double](repeating: 0, count: n)
    if gradientScale > 0 {
      let scale = [Double](repeating: gradientScale / Double(m), count: m)
      gradient.withUnsafeMutableBufferPointer { rows.combine(scale, block: block, into: $0) }
    }
    var change = [Double](repeating: 0, count: n)
    for i in gone { change[i] = -w[i] }
    var maskedValue = 0.0
    for (j, number) in zip(gone, Self.product(matrix, change, rows: gone)) {
      maskedValue += change[j] * (gradient[j] + (number + damping * change[j]) / 2)
    }
    self.maskedValue = maskedValue
    let forced = Self.product(matrix, change, rows: kept)
    let answer = factor.solve(zip(kept, forced).map { -gradient[$0] - $1 })
    for (i, number) in zip(kept, answer) { change[i] = number }
    var final = zip(w, change).map { $0 + $1 }
    var value = zip(gradient, change).reduce(0) { $0 + $1.0 * $1.1 }
    for (j, number) in zip(gone, Self.product(matrix, change, rows: gone)) {
      let slope = gradient[j] + number - damping * w[j]
      final[j] = -slope / damping
      value -= w[j] * slope
    }
    self.value = value / 2
    self.change = change
    self.weights = final
  }

  /// Returns `(1/m) GᵀG` of a block, shape [n, n]; computes the lower triangle and mirrors it.
  static func matrix(of rows: GradientRows, block: Int) -> [Double] {
    let (m, n) = (rows.count, rows.blocks[block].count)
    let numbers = rows.doubles(ofBlock: block, columns: nil)
    return [Double](unsafeUninitializedCapacity: n * n) { matrix, count in
      symmetricProduct(
        numbers, rows: m, columns: n, transposed: true, into: matrix.baseAddress!)
      for i in 0..<n {
        for j in 0...i {
          let element = matrix[i * n + j] / Double(m)
          matrix[i * n + j] = element
          matrix[j * n + i] = element
        }
      }
      count = n * n
    }
  }

  /// Returns some rows of a symmetric matrix times x.
  private static func product(_ matrix: [Double], _ x: [Double], rows: [Int]) -> [Double] {
    let n = x.count
    return matrix.withUnsafeBufferPointer { matrix in
      rows.map { row in
        var sum = 0.0
        for k in 0..<n { sum += matrix[row * n + k] * x[k] }
        return sum
      }
    }
  }

  /// Computes β̃ and s of all coordinates.
  ///
  /// - Complexity: O(n³).
  func coordinates() -> [SurgeonModel.Coordinate] {
    let n = weights.count
    var leverages = [Double](repeating: 0, count: n)
    var inverses = [Double?](repeating: nil, count: n)
    for (i, inverse) in zip(kept, factor.inverseDiagonal()) {
      leverages[i] = 1 - damping * inverse
      inverses[i] = inverse
    }
    // L⁻¹F_RM, with F_RR = LLᵀ.
    let solved = Buffer<Double>(count: kept.count * gone.count)
    for (row, i) in kept.enumerated() {
      for (column, j) in gone.enumerated() {
        solved.pointer[row * gone.count + column] = matrix[i * n + j]
      }
    }
    factor.solveLower(solved.pointer, columns: gone.count)
    for (column, j) in gone.enumerated() {
      var rest = matrix[j * n + j]
      for row in kept.indices {
        let number = solved.pointer[row * gone.count + column]
        rest -= number * number
      }
      leverages[j] = max(rest, 0) / damping
    }
    return (0..<n).map { i in
      SurgeonModel.Coordinate(
        weight: weights[i], leverage: leverages[i], damping: damping,
        inverse: inverses[i] ?? .infinity)
    }
  }

  /// Returns `F⁻¹x`; nothing may be removed.
  func inverseProduct(_ x: UnsafeBufferPointer<Double>) -> [Double] {
    precondition(gone.isEmpty, "an inverse of \(kept.count) coordinates of \(weights.count)")
    return factor.solve(Array(x))
  }
}
