import LinearAlgebra

/// A quadratic model of a loss; gives its minimum over the kept weights when others are removed.
///
///     q(δ)         gᵀδ + ½ δᵀFδ, with F = λI + (1/m) GᵀG, g = Gᵀc and c = (η/m)·1
///     M            the removed coordinates, δ_M = −w_M
///     R            the kept coordinates
///     S_R [m, m]   mλI + G_R G_Rᵀ
///     v [m]        u − mc, with u = G_M w_M
///
/// The minimum over δ_R is `δ_R = G_Rᵀ S_R⁻¹ v`, exactly, however many weights are removed
/// together: one system of order m. For a coordinate i, kept or removed, let
/// `β̃ᵢ = wᵢ + gᵢᵀ S_R⁻¹ v` and `sᵢ = gᵢᵀ S_R⁻¹ gᵢ`. They give the exact change of that minimum
/// when i alone changes sides.
///
/// A block of n < m coordinates that forms a model by itself is solved with its matrix of order n
/// instead. S_R is always formed from the kept columns. Subtracting the columns of M from a stored
/// K would save at most half of the product. It would leave the rounding of K, ulp(K), which hides
/// a small mλ.
///
/// Source: Optimal Brain Surgeon (Hassibi and Stork, 1993) for sets of any size. The matrix is that
/// of WoodFisher (Singh and Alistarh, 2020) and M-FAC (Frantar, Kurtic and Alistarh, 2021).
public struct SurgeonModel {
  /// Holds the settings λ and η of a model.
  public struct Settings: Hashable, Sendable {
    /// λ > 0.
    public let damping: Double
    /// η ≥ 0.
    public let gradientScale: Double

    /// Creates the settings from λ > 0 and η ≥ 0.
    public init(damping: Double, gradientScale: Double) {
      precondition(damping > 0 && gradientScale >= 0, "λ \(damping), η \(gradientScale)")
      self.damping = damping
      self.gradientScale = gradientScale
    }
  }

  /// m, the number of gradients.
  public let count: Int
  /// λ.
  public let damping: Double
  /// min q.
  public let value: Double
  /// q(δ_M) with all kept weights unchanged.
  private let maskedValue: Double
  private let solution: Solution

  private enum Solution {
    case gram(Gram)
    case block(BlockMinimum)
    case refined(Refined)
  }

  /// Holds a model that `RefinedInverse` solved.
  private struct Refined {
    let inverse: RefinedInverse
    /// L⁻¹v and t, from the factor of `inverse`.
    let gram: Gram
    /// δ, shape [d/p]; index 0 is coordinate `start` of the slice.
    let change: [Double]
    let coordinates: [Coordinate]
    let start: Int
  }

  struct Gram {
    /// L, with S_R = LLᵀ.
    let factor: CholeskyFactor
    /// L⁻¹v.
    let y: [Double]
    /// t = S_R⁻¹v.
    let t: [Double]
  }

  var gram: Gram {
    switch solution {
    case .gram(let gram): return gram
    case .refined(let refined): return refined.gram
    case .block: preconditionFailure("S_R of a model that is solved by a block's own matrix")
    }
  }

  /// A bound on the error of S_R's factor, relative to √(mλ).
  public let factorError: Double
  /// A bound on the relative error of the update.
  public let error: Double
  /// A bound on the relative errors of the coordinates' inverses that do not come from `1 − s`.
  public private(set) var coordinatesError = 0.0

  /// The largest relative error that a cost, or the change of the loss, may have.
  public static let goodError = 1e-6

  /// Returns a bound on the error of the Cholesky factor of S_R, relative to √(mλ). Above
  /// `goodError` λ is lost in the rounding of the gradients' products.
  ///
  /// - Parameter sums: `writeSums` over all coordinates of the model, summed.
  public static func factorError(of sums: [Double], count m: Int, damping: Double) -> Double {
    let trace = (0..<m).reduce(0) { $0 + sums[$1 * m + $1] }
    return ShiftedRounding(trace: trace, shift: Double(m) * damping).ofSums
  }

  /// Throws if fewer than three digits of the costs are left.
  ///
  /// - Throws: `LostDigits`.
  public func checkCoordinates() throws {
    guard coordinatesError <= RefinedInverse.largestError else {
      throw LostDigits(damping: damping, count: count, error: coordinatesError)
    }
  }

  /// Returns true if the costs of some coordinates lose their digits in `1 − s`.
  public static func losesDigits(_ coordinates: [Coordinate], factorError: Double) -> Bool {
    coordinates.contains {
      !$0.isExact && $0.leverage < 1 + goodError && factorError > goodError * (1 - $0.leverage)
    }
  }

  /// Returns the length of one block's part of the sums: `G_R G_Rᵀ`, u and ‖w_M‖².
  public static func width(count m: Int) -> Int { m * m + m + 1 }

  /// Solves the model from its sums.
  ///
  /// - Parameters:
  ///   - sums: `writeSums` over all coordinates of the model, summed.
  ///   - count: m.
  ///   - damping: λ > 0.
  ///   - gradientScale: η; 0 leaves out the gradient.
  /// - Throws: `NotPositiveDefinite` if λ is too small for double precision.
  public init(
    sums: [Double], count m: Int, damping: Double, gradientScale: Double
  ) throws(NotPositiveDefinite) {
    precondition(sums.count == Self.width(count: m), "\(sums.count) sums of \(m) gradients")
    count = m
    self.damping = damping
    factorError = Self.factorError(of: sums, count: m, damping: damping)
    error = factorError
    let factor = CholeskyFactor(capacity: m)
    try factor.factor(sums, stride: m, rows: Array(0..<m), shift: Double(m) * damping)
    let v = sums[m * m..<m * m + m].map { $0 - gradientScale }
    let y = factor.solveLower(v)
    solution = .gram(Gram(factor: factor, y: y, t: factor.solve(v)))
    let square = y.reduce(0) { $0 + $1 * $1 }
    value = damping / 2 * (sums[m * m + m] + square) - gradientScale * gradientScale / 2
    let u = sums[m * m..<m * m + m]
    maskedValue =
      damping / 2 * sums[m * m + m]
      + u.reduce(0) { $0 + ($1 / 2 - gradientScale) * $1 } / Double(m)
  }

  /// Solves the model of a single block with the smaller of its two matrices.
  ///
  /// - Parameters:
  ///   - block: an index into the blocks of `rows`.
  ///   - rows: G.
  ///   - weights: w of the slice.
  ///   - removed: for each coordinate of the slice, whether it is in M.
  ///   - damping: λ > 0.
  ///   - gradientScale: η.
  /// - Throws: `LostDigits` if λ is lost in the rounding of the gradients' products.
  /// - Complexity: O(k²(n + m)) with k the smaller of n and m.
  public init<Element: Scalar>(
    ofBlock block: Int, of rows: GradientRows, weights: UnsafeBufferPointer<Element>,
    removed: [Bool], damping: Double, gradientScale: Double
  ) throws {
    guard rows.blocks[block].count < rows.count else {
      let sums = Buffer<Double>(count: Self.width(count: rows.count))
      Self.writeSums(of: rows, block: block, weights: weights, removed: removed, into: sums.all)
      guard
        Self.factorError(of: Array(sums.all), count: rows.count, damping: damping) <= Self.goodError
      else {
        try self.init(
          refiningBlock: block, of: rows, weights: weights, removed: removed, damping: damping,
          gradientScale: gradientScale)
        return
      }
      try self.init(
        sums: Array(sums.all), count: rows.count, damping: damping, gradientScale: gradientScale)
      return
    }
    self = try Self.models(
      [SurgeonModel.Settings(damping: damping, gradientScale: gradientScale)], ofBlock: block,
      of: rows, weights: weights, removed: removed)[0]
  }

  /// Solves several models of a single block of n < m coordinates; forms its matrix once.
  ///
  /// - Throws: `LostDigits` if a λ is lost in the rounding of the gradients' products.
  /// - Complexity: O(n²m), and O(n³) for each model.
  public static func models<Element: Scalar>(
    _ models: [SurgeonModel.Settings], ofBlock block: Int, of rows: GradientRows,
    weights: UnsafeBufferPointer<Element>, removed: [Bool]
  ) throws -> [SurgeonModel] {
    let matrix = BlockMinimum.matrix(of: rows, block: block)
    return try models.map { model in
      let minimum = try? BlockMinimum(
        of: rows, block: block, matrix: matrix, weights: weights, removed: removed,
        damping: model.damping, gradientScale: model.gradientScale)
      if let minimum, minimum.error <= goodError {
        return SurgeonModel(minimum, count: rows.count, damping: model.damping)
      }
      return try SurgeonModel(
        refiningBlock: block, of: rows, weights: weights, removed: removed, damping: model.damping,
        gradientScale: model.gradientScale)
    }
  }

  /// Solves the model of a single block by iterative refinement, for a λ near the rounding of the
  /// gradients' products.
  ///
  /// - Throws: `LostDigits` if refinement does not recover three digits.
  public init<Element: Scalar>(
    refiningBlock block: Int, of rows: GradientRows, weights: UnsafeBufferPointer<Element>,
    removed: [Bool], damping: Double, gradientScale: Double
  ) throws {
    try self.init(
      refining: [block], of: rows, firstCoordinate: 0, weights: weights, removed: removed,
      damping: damping, gradientScale: gradientScale, fold: { leaf, _ in try leaf(block) })
  }

  /// Solves the model of several blocks by iterative refinement, for a λ near the rounding of the
  /// gradients' products: `F_RR δ_R = G_Rᵀv/m`, and `t = (v − G_R δ_R)/(mλ)`.
  ///
  /// - Parameters:
  ///   - blocks: indices of adjacent blocks of `rows`, in order.
  ///   - firstCoordinate: the number of their first coordinate among those of all address spaces.
  ///   - weights: w of the slice.
  ///   - removed: for each coordinate of the slice, whether it is in M.
  ///   - fold: joins the numbers of all blocks of the model.
  /// - Throws: `LostDigits` if refinement does not recover three digits.
  public init<Element: Scalar>(
    refining blocks: [Int], of rows: GradientRows, firstCoordinate: Int,
    weights: UnsafeBufferPointer<Element>, removed: [Bool], damping: Double, gradientScale: Double,
    fold: @escaping RefinedInverse.Fold
  ) throws {
    let start = blocks.first.map { rows.blocks[$0].lowerBound } ?? 0
    let range = start..<(blocks.last.map { rows.blocks[$0].upperBound } ?? start)
    let (m, local) = (Double(rows.count), Array(removed[range]))
    let inverse = try RefinedInverse(
      of: rows, blocks: blocks, firstCoordinate: firstCoordinate, removed: local, damping: damping,
      fold: fold)
    let lost = ExtendedNumbers(range.map { removed[$0] ? Double(weights[$0]) : 0 })
    let u = try inverse.products(with: lost)
    var v = u
    for row in 0..<v.count { v.add(-gradientScale, at: row) }
    let solution = try inverse.solve([Double](repeating: 0, count: range.count), forced: v)
    var t = v
    for row in 0..<t.count {
      t.add(-solution.products.high[row], at: row)
      t.low[row] -= solution.products.low[row]
    }
    t = t.divided(by: m).divided(by: damping)
    let square = try fold(
      { block in
        [rows.blocks[block].reduce(0) { $0 + lost.high[$1 - start] * lost.high[$1 - start] }]
      }, RefinedInverse.sum)[0]
    let leverages = inverse.leverages()
    let inverses: [Double]
    (inverses, coordinatesError) = try inverse.diagonal(leverages)
    guard solution.error <= RefinedInverse.largestError else {
      throw LostDigits(damping: damping, count: rows.count, error: solution.error)
    }
    var answers: [Double] = []
    for block in blocks {
      let part = Buffer<Double>(count: rows.blocks[block].count)
      rows.combine(t.rounded, block: block, into: part.all)
      answers += part.all
    }
    count = rows.count
    self.damping = damping
    factorError = inverse.factorError
    error = solution.error
    let products = zip(v.rounded, t.rounded).reduce(0) { $0 + $1.0 * $1.1 }
    value = damping / 2 * (square + products) - gradientScale * gradientScale / 2
    maskedValue =
      damping / 2 * square + u.rounded.reduce(0) { $0 + ($1 / 2 - gradientScale) * $1 } / m
    self.solution = .refined(
      Refined(
        inverse: inverse,
        gram: Gram(
          factor: inverse.factor, y: inverse.factor.solveLower(v.rounded), t: t.rounded),
        change: solution.values,
        coordinates: range.indices.map { place in
          let i = place - start
          return Coordinate(
            weight: Double(weights[place]) + (local[i] ? answers[i] : solution.values[i]),
            leverage: leverages[i], damping: damping, inverse: local[i] ? .infinity : inverses[i])
        }, start: start))
  }

  private init(_ minimum: BlockMinimum, count: Int, damping: Double) {
    (self.count, self.damping, factorError) = (count, damping, minimum.error)
    error = minimum.error
    (value, maskedValue) = (minimum.value, minimum.maskedValue)
    solution = .block(minimum)
  }

  /// Returns q after M is removed and the kept weights have moved a share τ of the way to the
  /// minimum: `q* + (1 − τ)²(q(δ_M) − q*)`.
  public func value(step: Double) -> Double {
    value + (1 - step) * (1 - step) * (maskedValue - value)
  }

  /// Writes a block's part of the sums.
  ///
  /// - Parameters:
  ///   - rows: G.
  ///   - block: an index into its blocks.
  ///   - weights: w of the slice.
  ///   - removed: for each coordinate of the slice, whether it is in M.
  ///   - sums: shape [width], overwritten.
  public static func writeSums<Element: Scalar>(
    of rows: GradientRows, block: Int, weights: UnsafeBufferPointer<Element>, removed: [Bool],
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
    let lost = range.map { removed[$0] ? weights[$0] : 0 }
    if !Element.holdsDoubles, case .single(let all) = rows.numbers(ofBlock: block) {
      let lost = lost.map { Float($0) }
      for row in 0..<m {
        sums[m * m + row] = Float.dot(count: range.count, all + row * range.count, lost)
      }
    } else {
      lost.map { Double($0) }.withUnsafeBufferPointer {
        rows.writeProducts(
          ofBlock: block, with: $0, from: range.lowerBound, into: sums.baseAddress! + m * m)
      }
    }
    let square = lost.reduce(0) { $0 + Double($1) * Double($1) }
    sums[m * m + m] = square
  }

  /// Writes the update of a block: `δ_R = G_Rᵀt` in the kept coordinates, −w in the removed ones.
  ///
  /// - Parameter change: shape [width of the block], overwritten.
  public func writeChange<Element: Scalar>(
    of rows: GradientRows, block: Int, weights: UnsafeBufferPointer<Element>, removed: [Bool],
    into change: UnsafeMutableBufferPointer<Double>
  ) {
    let range = rows.blocks[block]
    switch solution {
    case .gram(let gram): rows.combine(gram.t, block: block, into: change)
    case .block(let minimum): _ = change.update(fromContentsOf: minimum.change)
    case .refined(let refined):
      for i in range { change[i - range.lowerBound] = refined.change[i - refined.start] }
    }
    for i in range where removed[i] { change[i - range.lowerBound] = -Double(weights[i]) }
  }

  /// Describes the effect of one coordinate that changes sides alone.
  public struct Coordinate {
    /// β̃, its weight after the update if it were kept.
    public let weight: Double
    /// s = gᵀS_R⁻¹g; below 1 if it is kept.
    public let leverage: Double
    let damping: Double
    /// `(1 − s)/λ`, the diagonal element of the kept coordinates' inverse; `[F⁻¹]ᵢᵢ` if nothing is
    /// removed.
    public let inverse: Double
    /// True if `inverse` is not computed from `1 − s`, or the coordinate is removed.
    let isExact: Bool

    /// Computes the effect.
    ///
    /// - Parameter inverse: the diagonal element if it is known; nil computes it from `1 − s`.
    init(weight: Double, leverage: Double, damping: Double, inverse: Double? = nil) {
      (self.weight, self.leverage, self.damping) = (weight, leverage, damping)
      // Rounding may bring 1 − s to 0; `losesDigits` reports a difference made of rounding.
      self.inverse = inverse ?? max(1 - leverage, .ulpOfOne) / damping
      isExact = inverse != nil
    }

    /// The increase of the minimum when a kept coordinate is removed: `λβ̃²/(2(1 − s))`. With
    /// nothing removed and no gradient it is Optimal Brain Surgeon's `w²/(2[F⁻¹]ᵢᵢ)`.
    public var cost: Double { weight * weight / (2 * inverse) }

    /// The decrease of the minimum when a removed coordinate is kept again: `λβ̃²/(2(1 + s))`.
    public var gain: Double { damping * weight * weight / (2 * (1 + leverage)) }
  }

  /// Computes β̃ and s of a block's coordinates.
  ///
  /// - Returns: one value for each coordinate of the block, in order.
  /// - Complexity: O(m²) for each, at the speed of a matrix product.
  public func coordinates<Element: Scalar>(
    of rows: GradientRows, block: Int, weights: UnsafeBufferPointer<Element>
  ) -> [Coordinate] {
    let gram: Gram
    switch solution {
    case .gram(let whole): gram = whole
    case .block(let minimum): return minimum.coordinates()
    case .refined(let refined):
      return rows.blocks[block].map { refined.coordinates[$0 - refined.start] }
    }
    let (n, range) = (rows.blocks[block].count, rows.blocks[block])
    let solved = rows.doubles(ofBlock: block, columns: nil)
    gram.factor.solveLower(solved, columns: n)
    let sums = Buffer<Double>(count: 2 * n)
    let (squares, products) = (sums.pointer, sums.pointer + n)
    for row in 0..<count {
      let (v, scale) = (solved + row * n, gram.y[row])
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

  /// Returns `S_R⁻¹b`; shapes [m].
  public func solve(_ b: [Double]) -> [Double] {
    gram.factor.solve(b)
  }

  /// Returns `F⁻¹x` with nothing removed, if the model was solved by refinement; otherwise nil, and
  /// `(x − GᵀS⁻¹Gx)/λ` keeps its digits.
  ///
  /// - Throws: `LostDigits` if refinement does not recover three digits.
  public func inverseProduct(_ x: [Double]) throws -> [Double]? {
    guard case .refined(let refined) = solution else { return nil }
    let solution = try refined.inverse.solve(x)
    guard solution.error <= RefinedInverse.largestError else {
      throw LostDigits(damping: damping, count: count, error: solution.error)
    }
    return solution.values
  }

  /// Writes `F⁻¹x` of the block that this model describes, with nothing removed.
  ///
  /// - Parameters:
  ///   - x: shape of the slice.
  ///   - product: shape [width of the block], overwritten.
  /// - Throws: `LostDigits` if λ is lost in the rounding of the gradients' products.
  public func writeInverseProduct(
    of rows: GradientRows, block: Int, with x: UnsafeBufferPointer<Double>,
    into product: UnsafeMutableBufferPointer<Double>
  ) throws {
    let local = UnsafeBufferPointer(rebasing: x[rows.blocks[block]])
    switch solution {
    case .block(let minimum): _ = product.update(fromContentsOf: minimum.inverseProduct(local))
    case .refined: _ = product.update(fromContentsOf: try inverseProduct(Array(local))!)
    case .gram(let gram):
      var products = [Double](repeating: 0, count: count)
      rows.writeProducts(ofBlock: block, with: x, into: &products)
      rows.combine(gram.factor.solve(products), block: block, into: product)
      for k in local.indices { product[k] = (local[k] - product[k]) / damping }
    }
  }
}
