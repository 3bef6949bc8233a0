import LinearAlgebra

/// Evaluates a `SurgeonModel` for many λ and η with one eigendecomposition.
///
///     G_R G_Rᵀ = Q diag(e) Qᵀ     once, instead of a factor for each λ
///     S_R⁻¹ = Q diag(1/(e + mλ)) Qᵀ
///
/// `H = QᵀG` is also computed once. With `r = Qᵀv`, `sᵢ = Σ_k H_ki²/(e_k + mλ)` and
/// `β̃ᵢ = wᵢ + Σ_k H_ki r_k/(e_k + mλ)`: O(m) for each coordinate, λ and η.
package final class SurgeonSpectrum {
  /// m, the number of gradients.
  package let count: Int
  private let eigen: SymmetricEigen
  /// Qᵀu and Qᵀ1.
  private let (forced, ones): ([Double], [Double])
  /// ‖w_M‖².
  private let square: Double

  /// Decomposes the matrix of the sums.
  ///
  /// - Parameters:
  ///   - sums: `SurgeonModel.writeSums` over all coordinates of the model, summed.
  ///   - count: m.
  package init(sums: [Double], count m: Int) {
    precondition(sums.count == SurgeonModel.width(count: m), "\(sums.count) sums of \(m) gradients")
    count = m
    eigen = SymmetricEigen(sums[..<(m * m)], order: m)
    forced = eigen.rotate(Array(sums[m * m..<m * m + m]))
    ones = eigen.rotate([Double](repeating: 1, count: m))
    square = sums[m * m + m]
  }

  /// Returns `1/(e + mλ)`, shape [m].
  private func inverses(_ damping: Double) -> [Double] {
    // Rounding may bring an eigenvalue below 0.
    eigen.values.map { 1 / (max($0, 0) + Double(count) * damping) }
  }

  /// Returns `Qᵀv`, shape [m].
  private func right(_ gradientScale: Double) -> [Double] {
    zip(forced, ones).map { $0 - gradientScale * $1 }
  }

  /// Returns t [m] of the kept weights' change at the model's minimum, `δ_R = G_Rᵀt`.
  package func coefficients(of model: SurgeonModel.Settings) -> [Double] {
    let (right, inverses) = (right(model.gradientScale), inverses(model.damping))
    return eigen.rotateBack(zip(right, inverses).map { $0 * $1 })
  }

  /// Returns the model's value after M is removed and the kept weights have moved a share τ of the
  /// way to the minimum: `q* + (1 − τ)²(q(δ_M) − q*)`.
  package func value(of model: SurgeonModel.Settings, step: Double) -> Double {
    let (eta, right, inverses) = (
      model.gradientScale, right(model.gradientScale), inverses(model.damping)
    )
    var (quadratic, forcedSquare, forcedMean) = (0.0, 0.0, 0.0)
    for k in 0..<count {
      quadratic += right[k] * right[k] * inverses[k]
      forcedSquare += forced[k] * forced[k]
      forcedMean += forced[k] * ones[k]
    }
    let minimum = model.damping / 2 * (square + quadratic) - eta * eta / 2
    let masked =
      model.damping / 2 * square + (forcedSquare / 2 - eta * forcedMean) / Double(count)
    return minimum + (1 - step) * (1 - step) * (masked - minimum)
  }

  /// Returns a bound on the error of S_R's eigenvalues, relative to mλ, as
  /// `SurgeonModel.factorError`.
  package func factorError(_ damping: Double) -> Double {
    let trace = eigen.values.reduce(0) { $0 + max($1, 0) }
    return ShiftedRounding(trace: trace, shift: Double(count) * damping).ofSums
  }

  /// Returns the condition number of S_R, its largest eigenvalue divided by its smallest.
  package func condition(_ damping: Double) -> Double {
    Self.condition(of: eigen.values, damping: damping)
  }

  /// Returns the condition number of S_R for one λ; computes only the eigenvalues.
  package static func condition(sums: [Double], count m: Int, damping: Double) -> Double {
    condition(of: SymmetricEigen.values(of: sums[..<(m * m)], order: m), damping: damping)
  }

  private static func condition(of eigenvalues: [Double], damping: Double) -> Double {
    let shift = Double(eigenvalues.count) * damping
    return (max(eigenvalues.last!, 0) + shift) / (max(eigenvalues.first!, 0) + shift)
  }

  /// Computes β̃ and s of a block's coordinates for several models.
  ///
  /// - Returns: for each model, one value for each coordinate of the block, in order.
  /// - Complexity: O(m²) for each coordinate, at the speed of a matrix product, and O(m) for each
  ///   model.
  package func coordinates<Element: Scalar>(
    of rows: GradientRows, block: Int, weights: UnsafeBufferPointer<Element>,
    for models: [SurgeonModel.Settings]
  ) -> [[SurgeonModel.Coordinate]] {
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
        SurgeonModel.Coordinate(
          weight: Double(weights[range.lowerBound + j]) + products[j], leverage: leverages[j],
          damping: model.damping)
      }
    }
  }

  /// Returns the bytes of a spectrum, of its computation, and of `coordinates` for blocks of
  /// `width` columns.
  package static func bytes(count m: Int, width: Int) -> Int {
    SymmetricEigen.bytes(order: m) + 8 * (m + 2) * width
  }
}
