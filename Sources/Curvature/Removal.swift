import LinearAlgebra

/// What becomes of the quadratic model of a loss when weights are removed and all others adjust.
///
///   q(δ) = gᵀδ + ½ δᵀFδ     the model; F = λI + (1/m) GᵀG, g = Gᵀc with c = (η/m)·1
///   M, R                     the coordinates that are removed, δ_M = −w_M, and those that are kept
///   S_R [m, m]               mλI + G_R G_Rᵀ
///   v [m]                    u − mc, with u = G_M w_M
///
/// The minimum over δ_R is `δ_R = G_Rᵀ S_R⁻¹ v`, exactly, however many weights are removed together: one
/// system of order m. For a coordinate i, kept or removed, `β̃ᵢ = wᵢ + gᵢᵀ S_R⁻¹ v` and `sᵢ = gᵢᵀ S_R⁻¹ gᵢ`
/// give the exact change of that minimum when i alone changes sides.
///
/// Optimal Brain Surgeon (Hassibi and Stork, 1993) for sets of any size, with the matrix of WoodFisher
/// (Singh and Alistarh, 2020) and M-FAC (Frantar, Kurtic and Alistarh, 2021).
public struct Removal {
  /// m.
  public let count: Int
  /// λ.
  public let damping: Double
  /// The minimum of q.
  public let value: Double
  let factor: CholeskyFactor
  /// y = L⁻¹v with S_R = LLᵀ.
  let y: [Double]
  /// t = S_R⁻¹v.
  private let t: [Double]

  /// Numbers of a block's part of the sums over all coordinates: `G_R G_Rᵀ`, u and ‖w_M‖².
  public static func width(count m: Int) -> Int { m * m + m + 1 }

  /// - Parameters:
  ///   - sums: `writeSums` over all coordinates of the model, summed.
  ///   - count: m.
  ///   - damping: λ > 0.
  ///   - gradientScale: η, 0 where the gradient is left out.
  /// - Throws: `NotPositiveDefinite` where λ is too small for double precision.
  public init(
    sums: [Double], count m: Int, damping: Double, gradientScale: Double
  ) throws(NotPositiveDefinite) {
    precondition(sums.count == Self.width(count: m), "\(sums.count) sums of \(m) gradients")
    count = m
    self.damping = damping
    factor = CholeskyFactor(capacity: m)
    try factor.factor(sums, stride: m, rows: Array(0..<m), shift: Double(m) * damping)
    let v = sums[m * m..<m * m + m].map { $0 - gradientScale }
    y = factor.solveLower(v)
    t = factor.solve(v)
    let square = y.reduce(0) { $0 + $1 * $1 }
    value = damping / 2 * (sums[m * m + m] + square) - gradientScale * gradientScale / 2
  }

  /// A block's part of the sums.
  ///
  /// - Parameters:
  ///   - rows: G.
  ///   - block: an index into its blocks.
  ///   - weights: w of the slice.
  ///   - removed: of the slice, whether a coordinate is in M.
  ///   - sums: shape [width], overwritten.
  public static func writeSums(
    of rows: GradientRows, block: Int, weights: UnsafeBufferPointer<Float>, removed: [Bool],
    into sums: UnsafeMutableBufferPointer<Double>
  ) {
    let (m, range) = (rows.count, rows.blocks[block])
    let kept = range.filter { !removed[$0] }.map { $0 - range.lowerBound }
    let numbers = rows.doubles(ofBlock: block, columns: kept)
    symmetricProduct(numbers, rows: m, columns: kept.count, into: sums.baseAddress!)
    guard kept.count < range.count else {
      for i in m * m..<width(count: m) { sums[i] = 0 }
      return
    }
    let removedWeights = Buffer<Float>(count: range.count)
    var square = 0.0
    for i in range where removed[i] {
      removedWeights.pointer[i - range.lowerBound] = weights[i]
      square += Double(weights[i]) * Double(weights[i])
    }
    let all = rows.block(block)
    for row in 0..<m {
      sums[m * m + row] = MixedPrecision.dot(
        UnsafeBufferPointer(rebasing: all[row * range.count..<(row + 1) * range.count]),
        UnsafeBufferPointer(removedWeights.all))
    }
    sums[m * m + m] = square
  }

  /// `δ_R = G_Rᵀt` of a block, in its kept coordinates; −w in the removed ones.
  ///
  /// - Parameter change: shape [width of the block], overwritten.
  public func writeChange(
    of rows: GradientRows, block: Int, weights: UnsafeBufferPointer<Float>, removed: [Bool],
    into change: UnsafeMutableBufferPointer<Double>
  ) {
    let range = rows.blocks[block]
    rows.combine(t, block: block, into: change)
    for i in range where removed[i] { change[i - range.lowerBound] = -Double(weights[i]) }
  }

  /// What each coordinate of a block would do alone.
  public struct Coordinate {
    /// β̃: its weight after the update, were it kept.
    public let weight: Double
    /// s = gᵀS_R⁻¹g; below 1 where it is kept.
    public let leverage: Double
    let damping: Double

    /// What its removal adds to the minimum, where it is kept: `λβ̃²/(2(1 − s))`. With nothing removed
    /// and without gradient it is Optimal Brain Surgeon's `w²/(2[F⁻¹]ᵢᵢ)`.
    public var cost: Double { weight * weight / (2 * inverse) }

    /// What taking it back subtracts from the minimum, where it is removed: `λβ̃²/(2(1 + s))`.
    public var gain: Double { damping * weight * weight / (2 * (1 + leverage)) }

    /// `(1 − s)/λ`, the diagonal element of the kept coordinates' inverse; with nothing removed that is
    /// `[F⁻¹]ᵢᵢ`.
    public var inverse: Double {
      // Rounding may bring it there.
      max(1 - leverage, .ulpOfOne) / damping
    }
  }

  /// - Returns: for each coordinate of a block, in their order.
  /// - Complexity: O(m²) for each, at the speed of a matrix product.
  public func coordinates(
    of rows: GradientRows, block: Int, weights: UnsafeBufferPointer<Float>
  ) -> [Coordinate] {
    let (n, range) = (rows.blocks[block].count, rows.blocks[block])
    let solved = rows.doubles(ofBlock: block, columns: nil)
    factor.solveLower(solved, columns: n)
    let sums = Buffer<Double>(count: 2 * n)
    let (squares, products) = (sums.pointer, sums.pointer + n)
    for row in 0..<count {
      let (v, scale) = (solved + row * n, y[row])
      for j in 0..<n {
        squares[j] += v[j] * v[j]
        products[j] += scale * v[j]
      }
    }
    return (0..<n).map { j in
      Coordinate(
        weight: Double(weights[range.lowerBound + j]) + products[j], leverage: squares[j],
        damping: damping)
    }
  }

  /// `S_R⁻¹b`, shapes [m].
  public func solve(_ b: [Double]) -> [Double] { factor.solve(b) }
}

extension GradientRows {
  /// `G_b x` of a block, of which x is the slice's.
  ///
  /// - Parameter products: shape [m], overwritten.
  public func writeProducts(
    ofBlock index: Int, with x: UnsafeBufferPointer<Double>,
    into products: UnsafeMutablePointer<Double>
  ) {
    let (all, range) = (block(index), blocks[index])
    for row in 0..<count {
      var sum = 0.0
      for k in 0..<range.count {
        sum += Double(all[row * range.count + k]) * x[range.lowerBound + k]
      }
      products[row] = sum
    }
  }

  /// `Σ_k G_ki²` for the columns i of a block.
  public func squareSums(ofBlock index: Int) -> [Double] {
    let (all, n) = (block(index), blocks[index].count)
    var sums = [Double](repeating: 0, count: n)
    for row in 0..<count {
      for k in 0..<n { sums[k] += Double(all[row * n + k]) * Double(all[row * n + k]) }
    }
    return sums
  }

  /// `G_bᵀc` of a block, added in the order of the rows.
  ///
  /// - Parameters:
  ///   - coefficients: c, shape [m].
  ///   - sums: shape [width of the block], overwritten.
  public func combine(
    _ coefficients: [Double], block index: Int, into sums: UnsafeMutableBufferPointer<Double>
  ) {
    let (all, n) = (block(index), blocks[index].count)
    sums.update(repeating: 0)
    for row in 0..<count {
      let (start, c) = (row * n, coefficients[row])
      for k in 0..<n { sums[k] += c * Double(all[start + k]) }
    }
  }
}
