import LinearAlgebra

extension SurgeonModel {
  /// Returns the increase of the model's minimum when n kept coordinates Q are removed together.
  ///
  ///     ½ β̃_Qᵀ ([F_R⁻¹]_QQ)⁻¹ β̃_Q = (λ/2) β̃_Qᵀ (I − VᵀV)⁻¹ β̃_Q    with V = L⁻¹G_Q
  ///
  /// The result is exact. It is computed with the smaller of two matrices: one of order n, or one
  /// of order m by `(I − VᵀV)⁻¹ = I + Vᵀ(I − VVᵀ)⁻¹V`.
  ///
  /// - Parameters:
  ///   - gradients: shape [n, m], the column of G for each coordinate.
  ///   - weights: shape [n].
  /// - Throws: `LostDigits` if λ is lost in the rounding of the gradients' products.
  /// - Complexity: O(m²n), and O(k²(m + n)) with k the smaller of m and n.
  public func cost(
    ofGroup gradients: [Double], weights: [Double]
  ) throws -> Double {
    let (m, n) = (count, weights.count)
    precondition(gradients.count == m * n, "\(gradients.count) numbers of \(n) columns of \(m)")
    let rows = Buffer<Double>(count: m * n)
    for row in 0..<m {
      for k in 0..<n { rows.pointer[row * n + k] = gradients[k * m + row] }
    }
    gram.factor.solveLower(rows.pointer, columns: n)
    var local = weights
    for row in 0..<m {
      for k in 0..<n { local[k] += gram.y[row] * rows.pointer[row * n + k] }
    }
    let order = min(m, n)
    let square = Buffer<Double>(count: order * order)
    let right: [Double]
    if n <= m {
      let columns = Buffer<Double>(count: m * n)
      for row in 0..<m {
        for k in 0..<n { columns.pointer[k * m + row] = rows.pointer[row * n + k] }
      }
      symmetricProduct(columns.pointer, rows: n, columns: m, into: square.pointer)
      right = local
    } else {
      symmetricProduct(rows.pointer, rows: m, columns: n, into: square.pointer)
      right = (0..<m).map { row in
        (0..<n).reduce(0) { $0 + rows.pointer[row * n + $1] * local[$1] }
      }
    }
    let rest = CholeskyFactor(capacity: order)
    try rest.factor(square.all.map { -$0 }, stride: order, rows: Array(0..<order), shift: 1)
    // The largest diagonal element of the inverse is 1 over the least 1 − s that is left. It is at
    // most the condition number of S_R.
    if factorError * factorError > 4 * .ulpOfOne * RefinedInverse.largestError {
      let error = factorError * (rest.inverseDiagonal().max() ?? 0)
      guard error <= RefinedInverse.largestError else {
        throw LostDigits(damping: damping, count: m, error: error)
      }
    }
    let part = rest.solveLower(right).reduce(0) { $0 + $1 * $1 }
    return damping / 2 * (n <= m ? part : part + local.reduce(0) { $0 + $1 * $1 })
  }

  /// Returns the bytes that `cost(ofGroup:weights:)` allocates.
  public static func groupBytes(count m: Int, group n: Int) -> Int {
    8 * (4 * m * n + 3 * min(m, n) * min(m, n))
  }
}

extension GradientRows {
  /// Returns the columns of G at coordinates of the slice, one after another, m numbers each.
  public func columns(_ coordinates: Range<Int>) -> [Double] {
    var columns: [Double] = []
    columns.reserveCapacity(coordinates.count * count)
    for (index, range) in blocks.enumerated() where range.overlaps(coordinates) {
      let numbers = numbers(ofBlock: index)
      for coordinate in range.clamped(to: coordinates) {
        for row in 0..<count {
          let place = row * range.count + coordinate - range.lowerBound
          switch numbers {
          case .single(let all): columns.append(Double(all[place]))
          case .double(let all): columns.append(all[place])
          }
        }
      }
    }
    return columns
  }
}
