import LinearAlgebra

/// What becomes of a `Removal` for many λ and η at once.
///
///   G_R G_Rᵀ = Q diag(e) Qᵀ     once, in place of a factor for each λ
///   S_R⁻¹ = Q diag(1/(e + mλ)) Qᵀ
///
/// With `H = QᵀG`, also made once, `sᵢ = Σ_k H_ki²/(e_k + mλ)` and `β̃ᵢ = wᵢ + Σ_k H_ki r_k/(e_k + mλ)`,
/// `r = Qᵀv`: O(m) for each coordinate, λ and η.
public final class RemovalSpectrum {
  /// The numbers of a model that are chosen.
  public struct Model: Hashable, Sendable {
    /// λ > 0.
    public let damping: Double
    /// η ≥ 0.
    public let gradientScale: Double

    public init(damping: Double, gradientScale: Double) {
      precondition(damping > 0 && gradientScale >= 0, "λ \(damping), η \(gradientScale)")
      self.damping = damping
      self.gradientScale = gradientScale
    }
  }

  /// m.
  public let count: Int
  private let eigen: SymmetricEigen
  /// Qᵀu and Qᵀ1.
  private let (forced, ones): ([Double], [Double])
  /// ‖w_M‖².
  private let square: Double

  /// - Parameters:
  ///   - sums: `Removal.writeSums` over all coordinates of the model, summed.
  ///   - count: m.
  public init(sums: [Double], count m: Int) {
    precondition(sums.count == Removal.width(count: m), "\(sums.count) sums of \(m) gradients")
    count = m
    eigen = SymmetricEigen(sums[..<(m * m)], order: m)
    forced = eigen.rotate(Array(sums[m * m..<m * m + m]))
    ones = eigen.rotate([Double](repeating: 1, count: m))
    square = sums[m * m + m]
  }

  /// `1/(e + mλ)`, shape [m].
  private func inverses(_ damping: Double) -> [Double] {
    // Rounding may bring an eigenvalue below 0.
    eigen.values.map { 1 / (max($0, 0) + Double(count) * damping) }
  }

  /// `Qᵀv`, shape [m].
  private func right(_ gradientScale: Double) -> [Double] {
    zip(forced, ones).map { $0 - gradientScale * $1 }
  }

  /// The minimum of the model, and t [m] of the change of the kept weights, `δ_R = G_Rᵀt`.
  public func minimum(of model: Model) -> (value: Double, coefficients: [Double]) {
    let (right, inverses) = (right(model.gradientScale), inverses(model.damping))
    let scaled = zip(right, inverses).map { $0 * $1 }
    let quadratic = zip(right, scaled).reduce(0) { $0 + $1.0 * $1.1 }
    let value =
      model.damping / 2 * (square + quadratic) - model.gradientScale * model.gradientScale / 2
    return (value, eigen.rotateBack(scaled))
  }

  /// - Returns: for each model, for each coordinate of a block, in their order.
  /// - Complexity: O(m²) for each coordinate, at the speed of a matrix product, and O(m) for each model.
  public func coordinates(
    of rows: GradientRows, block: Int, weights: UnsafeBufferPointer<Float>, for models: [Model]
  ) -> [[Removal.Coordinate]] {
    let (n, range) = (rows.blocks[block].count, rows.blocks[block])
    let rotated = Buffer<Double>(count: count * n)
    eigen.rotate(rows.doubles(ofBlock: block, columns: nil), columns: n, into: rotated.pointer)
    let sums = Buffer<Double>(count: 2 * n)
    let (leverages, products) = (sums.pointer, sums.pointer + n)
    return models.map { model in
      let (right, inverses) = (right(model.gradientScale), inverses(model.damping))
      sums.all.update(repeating: 0)
      for row in 0..<count {
        let (h, inverse, scale) = (
          rotated.pointer + row * n, inverses[row], right[row] * inverses[row]
        )
        for j in 0..<n {
          leverages[j] += h[j] * h[j] * inverse
          products[j] += h[j] * scale
        }
      }
      return (0..<n).map { j in
        Removal.Coordinate(
          weight: Double(weights[range.lowerBound + j]) + products[j], leverage: leverages[j],
          damping: model.damping)
      }
    }
  }

  /// Bytes of one, and of what making it and its coordinates take, with blocks of `width` columns.
  public static func bytes(count m: Int, width: Int) -> Int {
    SymmetricEigen.bytes(order: m) + 8 * (m + 2) * width
  }
}
