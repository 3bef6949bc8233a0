/// Returns `F⁻¹` [d, d] of `F = λI + (1/m) GᵀG`, adding one row after another to `λ⁻¹I`: `F⁻¹ₙ₊₁ =
/// F⁻¹ₙ − F⁻¹ₙ g gᵀ F⁻¹ₙ /(m + gᵀ F⁻¹ₙ g)`.
///
/// WoodFisher runs it on each block of the coordinates. Singh and Alistarh, WoodFisher, 2020.
public func woodFisherInverse(rows: [[Double]], damping: Double) -> DenseMatrix {
  let (d, m) = (rows[0].count, Double(rows.count))
  var inverse = DenseMatrix(rows: d, columns: d) { $0 == $1 ? 1 / damping : 0 }
  for g in rows {
    let v = inverse * g
    let scale = m + zip(g, v).reduce(0) { $0 + $1.0 * $1.1 }
    for i in 0..<d {
      for j in 0..<d { inverse[i, j] -= v[i] * v[j] / scale }
    }
  }
  return inverse
}

/// Computes `F⁻¹` of the same matrix by M-FAC's static algorithm, without a matrix [d, d].
///
/// `F⁻¹x = λ⁻¹x − Σ_k v_k (v_kᵀx)/(m + g_kᵀv_k)`. `v_k` is this sum over the rows before k, applied
/// to `g_k`.
///
/// Frantar, Kurtic and Alistarh, M-FAC, 2021.
public struct MFACRecursion {
  private let damping: Double
  private var terms: [(v: [Double], scale: Double)] = []

  public init(rows: [[Double]], damping: Double) {
    self.damping = damping
    for g in rows {
      let v = inverseProduct(g)
      terms.append((v, Double(rows.count) + zip(g, v).reduce(0) { $0 + $1.0 * $1.1 }))
    }
  }

  /// Returns `F⁻¹x`, shape [d].
  public func inverseProduct(_ x: [Double]) -> [Double] {
    var product = x.map { $0 / damping }
    for (v, scale) in terms {
      let c = zip(v, x).reduce(0) { $0 + $1.0 * $1.1 } / scale
      for i in x.indices { product[i] -= c * v[i] }
    }
    return product
  }

  /// Returns `[F⁻¹]ᵢᵢ`.
  public func diagonal(_ i: Int) -> Double {
    terms.reduce(1 / damping) { $0 - $1.v[i] * $1.v[i] / $1.scale }
  }
}
