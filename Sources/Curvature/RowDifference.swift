import LinearAlgebra

/// Returns the distance of (1/m) GᵀG of stored rows from (1/m) HᵀH of rows in double precision:
/// ‖GᵀG − HᵀH‖/‖HᵀH‖ in Frobenius norm. Neither matrix is formed.
///
///     G, H [m, d]     D = G − H     Z = [H; D]     W = ZZᵀ [2m, 2m]
///
///     GᵀG − HᵀH = DᵀH + HᵀD + DᵀD = ZᵀMZ with M = [0 1; 1 1], and ‖ZᵀMZ‖² = tr (MW)²
///
/// No squares are subtracted, so a distance of 1e-7 has correct digits.
@specialized(where Element == Float)
@specialized(where Element == Double)
package func relativeDistance<Element: Scalar>(
  ofRows stored: [[Element]], to exact: [[Double]]
) -> Double {
  let (m, d) = (exact.count, exact.first?.count ?? 0)
  precondition(
    stored.count == m && stored.allSatisfy { $0.count == d }, "\(stored.count) rows for \(m)")
  let z = Buffer<Double>(count: 2 * m * d)
  for (row, (g, h)) in zip(stored, exact).enumerated() {
    for i in 0..<d {
      z.pointer[row * d + i] = h[i]
      z.pointer[(m + row) * d + i] = Double(g[i]) - h[i]
    }
  }
  let w = Buffer<Double>(count: 4 * m * m)
  Double.product(
    rows: 2 * m, columns: 2 * m, inner: d, alpha: 1, a: z.pointer, strideA: d, transposeA: false,
    b: z.pointer, strideB: d, transposeB: true, beta: 0, c: w.pointer, strideC: 2 * m)
  func product(_ i: Int, _ j: Int) -> Double {
    // Element of M W: its upper half is W's lower half, its lower half the sum of both.
    i < m
      ? w.pointer[(m + i) * 2 * m + j] : w.pointer[(i - m) * 2 * m + j] + w.pointer[i * 2 * m + j]
  }
  var (difference, square) = (0.0, 0.0)
  for i in 0..<2 * m {
    for j in 0..<2 * m { difference += product(i, j) * product(j, i) }
  }
  for i in 0..<m {
    for j in 0..<m { square += w.pointer[i * 2 * m + j] * w.pointer[i * 2 * m + j] }
  }
  return max(difference, 0).squareRoot() / square.squareRoot()
}
