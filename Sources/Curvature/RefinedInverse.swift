import LinearAlgebra

/// Reports an answer that has lost too many digits, because λ is too small for the gradients.
public struct LostDigits: Error, CustomStringConvertible {
  /// λ.
  public let damping: Double
  /// m, the number of gradients.
  public let count: Int
  /// A bound on the relative error of the answer.
  public let error: Double

  /// Creates the error from a bound on the relative error of an answer.
  public init(damping: Double, count: Int, error: Double) {
    (self.damping, self.count, self.error) = (damping, count, error)
  }

  public var description: String {
    let size = error < 1 ? "\(Float(error))" : "as large as the answer"
    return """
      λ \(damping) is too small for these \(count) gradients: the relative error of the answer \
      may be \(size); expected at most \(RefinedInverse.largestError) (use a larger λ)
      """
  }
}

/// Bounds the rounding error of the Cholesky factor L of a matrix, relative to √σ.
///
///     S   K + σI = LLᵀ, with σ > 0
///     κ   1 + tr(K)/σ ≥ the condition number of S
///     u   2⁻⁵³
struct ShiftedRounding {
  /// 8u: u, and a factor of 8 for the summation.
  static let ofASum = 4 * Double.ulpOfOne

  private let condition: Double

  init(trace: Double, shift: Double) { condition = 1 + trace / shift }

  /// A bound on the error of L computed from S: 8uκ.
  var ofSums: Double { Self.ofASum * condition }

  /// A bound on the error of L computed as the triangle of `[Gᵀ; √σ I]`, with K = GGᵀ: 8u√κ.
  var ofColumns: Double { Self.ofASum * condition.squareRoot() }
}

/// Applies the inverse of a damped empirical Fisher matrix with the last digits that the gradients
/// allow. This includes more gradients than coordinates, dependent gradients, and a λ near the
/// rounding of the gradients' products.
///
///     F [d, d]   λI + (1/m) GᵀG over the kept coordinates
///     S [m, m]   mλI + GGᵀ = LLᵀ
///     κ          1 + tr(GGᵀ)/(mλ) ≥ the condition numbers of S and F
///     u          2⁻⁵³
///
/// If uκ is small, L is the Cholesky factor of S. Otherwise L is the triangle of the orthogonal
/// factorization of `[Gᵀ; √(mλ) I]`, whose error is u√κ. Either way `F⁻¹ ≈ (I − GᵀS⁻¹G)/λ` only
/// starts an iterative refinement. Its residuals `x − Fy` have twice the digits of double
/// precision. Each round multiplies the error by about that of L, and the change of the last round
/// bounds the remaining error. With at most m coordinates the start is F itself, factored as
/// `[G; √(mλ) I]`.
///
/// The type uses one address space. Sums over blocks are taken by `fold`, so a single block and the
/// cells of all ranks run the same code.
public final class RefinedInverse {
  /// Joins the numbers of all blocks, on all ranks, in a fixed tree over the blocks. The result is
  /// the same on every rank.
  ///
  /// - Parameters:
  ///   - leaf: returns the numbers of a block of this address space.
  ///   - join: joins the numbers of a left and a right part of the tree.
  public typealias Fold = (
    _ leaf: (_ block: Int) throws -> [Double], _ join: @escaping ([Double], [Double]) -> [Double]
  ) throws -> [Double]

  /// The largest relative error of a returned answer: three digits remain.
  public static let largestError = 1e-3
  /// The error of L above which L is not computed from S. Also the error of a diagonal element
  /// above which elimination computes it.
  private static let goodError = 1e-10
  /// u, the unit roundoff.
  private static let unit = Double.ulpOfOne / 2

  /// λ.
  public let damping: Double
  /// The error of L, relative to √(mλ).
  public let factorError: Double
  private let rows: GradientRows
  private let blocks: [Int]
  /// The coordinate in the slice of `rows` at which the blocks begin.
  private let start: Int
  private let firstCoordinate: Int
  private let removed: [Bool]
  private let fold: Fold
  let factor: CholeskyFactor
  /// The elimination of all kept coordinates, if there are at most m.
  private var all: Elimination?
  private var m: Double { Double(rows.count) }

  /// Factors the matrix.
  ///
  /// - Parameters:
  ///   - rows: G.
  ///   - blocks: indices of adjacent blocks of `rows`, in order; vectors cover their coordinates.
  ///   - firstCoordinate: the number of their first coordinate among those of all address spaces.
  ///   - removed: for each coordinate of the vectors, whether F omits it.
  ///   - damping: λ > 0.
  ///   - fold: joins the numbers of all blocks.
  /// - Complexity: O(dm²).
  public convenience init(
    of rows: GradientRows, blocks: [Int], firstCoordinate: Int = 0, removed: [Bool],
    damping: Double, fold: @escaping Fold
  ) throws {
    try self.init(
      factoring: rows, blocks: blocks, firstCoordinate: firstCoordinate, removed: removed,
      damping: damping, fold: fold)
    let keptCount = try fold(
      { block in [Double(self.coordinates(ofBlock: block).count { !removed[$0] })] }, Self.sum)[0]
    if keptCount > 0, keptCount <= m { all = try elimination(of: removed.map { !$0 }) }
  }

  /// Computes L, without the elimination for few coordinates.
  private init(
    factoring rows: GradientRows, blocks: [Int], firstCoordinate: Int, removed: [Bool],
    damping: Double, fold: @escaping Fold
  ) throws {
    precondition(damping > 0 && damping.isFinite, "a damping of \(damping)")
    (self.rows, self.blocks, self.removed) = (rows, blocks, removed)
    (self.firstCoordinate, self.damping, self.fold) = (firstCoordinate, damping, fold)
    start = blocks.first.map { rows.blocks[$0].lowerBound } ?? 0
    let end = blocks.last.map { rows.blocks[$0].upperBound } ?? 0
    precondition(removed.count == end - start, "\(removed.count) flags of \(end - start)")
    let (m, start) = (rows.count, start)
    let kept: (Int) -> [Int] = { block in
      let range = rows.blocks[block]
      return range.filter { !removed[$0 - start] }.map { $0 - range.lowerBound }
    }

    let trace = try fold(
      { block in
        let columns = kept(block)
        let numbers = rows.doubles(ofBlock: block, columns: columns)
        return [(0..<m * columns.count).reduce(0) { $0 + numbers[$1] * numbers[$1] }]
      }, Self.sum)[0]
    factor = CholeskyFactor(capacity: m)
    let shift = Double(m) * damping
    let rounding = ShiftedRounding(trace: trace, shift: shift)
    if rounding.ofSums <= Self.goodError {
      let gram = try fold(
        { block in
          let columns = kept(block)
          let numbers = rows.doubles(ofBlock: block, columns: columns)
          return [Double](unsafeUninitializedCapacity: m * m) { gram, count in
            gram.initialize(repeating: 0)
            symmetricProduct(numbers, rows: m, columns: columns.count, into: gram.baseAddress!)
            count = m * m
          }
        }, Self.sum)
      try factor.factor(gram, stride: m, rows: Array(0..<m), shift: shift)
      factorError = rounding.ofSums
    } else {
      factor.factor(productsOf: try Self.tallRows(of: rows, fold: fold, kept: kept), shift: shift)
      factorError = rounding.ofColumns
    }
  }

  /// Returns at most m rows whose products are GGᵀ of the columns of G.
  private static func tallRows(
    of rows: GradientRows, fold: Fold, kept: @escaping (Int) -> [Int]
  ) throws -> TallRows {
    let m = rows.count
    let numbers = try fold(
      { block in
        let columns = kept(block)
        let numbers = rows.doubles(ofBlock: block, columns: columns)
        let all = UnsafeBufferPointer(start: numbers, count: m * columns.count)
        return TallRows(columns: m, numbers: Array(all)).reduced().numbers
      },
      { left, right in
        TallRows(columns: m, numbers: left).joined(with: TallRows(columns: m, numbers: right))
          .numbers
      })
    return TallRows(columns: m, numbers: numbers)
  }

  /// Returns the m eigenvalues of `(1/m) GᵀG` that may differ from 0, in decreasing order, computed
  /// from the singular values of G.
  ///
  /// - Complexity: O(dm²).
  public static func eigenvalues(of rows: GradientRows, fold: Fold) throws -> [Double] {
    let tall = try tallRows(of: rows, fold: fold, kept: { Array(0..<rows.blocks[$0].count) })
    return tall.singularValues().map { $0 * $0 / Double(rows.count) }
  }

  static func sum(_ left: [Double], _ right: [Double]) -> [Double] {
    var sums = left
    for i in sums.indices { sums[i] += right[i] }
    return sums
  }

  /// Returns the larger number, or the one that is a NaN.
  private static func largest(_ left: [Double], _ right: [Double]) -> [Double] {
    left[0].isNaN || left[0] >= right[0] ? left : right
  }

  private func coordinates(ofBlock block: Int) -> Range<Int> {
    rows.blocks[block].lowerBound - start..<rows.blocks[block].upperBound - start
  }

  // MARK: Products

  /// Holds a solution `y = F⁻¹x` and bounds on its error.
  public struct Solution {
    /// y, shape of the vectors; 0 for omitted coordinates.
    public let values: [Double]
    /// Gy, shape [m].
    public let products: ExtendedNumbers
    /// A bound on the relative error of y, in its norm.
    public let error: Double
    /// A bound on the relative error of Gy.
    public let productsError: Double
  }

  /// Solves `Fy = x + Gᵀv/m`.
  ///
  /// - Parameters:
  ///   - x: shape of the vectors; omitted coordinates are ignored.
  ///   - v: shape [m].
  /// - Complexity: O(dm) for each round; two rounds if L is accurate.
  public func solve(_ x: [Double], forced v: ExtendedNumbers? = nil) throws -> Solution {
    precondition(x.count == removed.count, "a vector of \(x.count) for \(removed.count)")
    let v = v ?? ExtendedNumbers(zeros: rows.count)
    var y = ExtendedNumbers(zeros: x.count)
    var products = ExtendedNumbers(zeros: rows.count)
    var last = Change(norm: .infinity, element: .infinity, products: .infinity)
    var errors = (y: Double.infinity, products: Double.infinity)
    // If L is accurate, each round reduces the error by the same factor as the round before.
    // Otherwise the change of a round is the only known bound.
    let isSteady = (all?.error ?? factorError) <= Self.goodError
    func rest(_ now: Double, _ last: Double) -> Double {
      isSteady ? now * min(now / last, 1) : now
    }
    for round in 1...40 {
      let step = try firstSolution(residual(x, v, y, products))
      for i in step.indices { y.add(step[i], at: i) }
      let before = products
      products = try self.products(with: y)
      let change = try self.change(by: step, of: y, before, products)
      guard change.norm.isFinite else {
        errors = (.infinity, .infinity)
        break
      }
      errors.y = max(rest(change.norm, last.norm), Self.unit)
      errors.products = max(rest(change.products, last.products), Self.unit)
      if change.norm == 0 { break }
      let isElementDone =
        rest(change.element, last.element) <= Self.unit || change.element > last.element / 4
      let areProductsDone =
        errors.products == Self.unit || change.products > last.products / 2
      if round > 1, errors.y == Self.unit, isElementDone, areProductsDone { break }
      // The first round's change is all of y.
      if round > 2, change.norm > last.norm / 2, areProductsDone { break }
      last = change
    }
    return Solution(
      values: y.rounded, products: products, error: errors.y, productsError: errors.products)
  }

  /// Holds the relative changes of a round: ‖step‖/‖y‖, the largest |stepᵢ|/|yᵢ|, ‖G·step‖/‖Gy‖.
  private struct Change {
    let norm: Double
    let element: Double
    let products: Double
  }

  /// Returns `x + Gᵀ(v − Gy)/m − λy`.
  private func residual(
    _ x: [Double], _ v: ExtendedNumbers, _ y: ExtendedNumbers, _ products: ExtendedNumbers
  ) -> [Double] {
    var rest = v
    for i in 0..<rest.count {
      rest.add(-products.high[i], at: i)
      rest.low[i] -= products.low[i]
    }
    rest = rest.divided(by: m)
    var residual = [Double](repeating: 0, count: x.count)
    for block in blocks {
      var part = rows.combination(rest, block: block)
      for (k, i) in coordinates(ofBlock: block).enumerated() where !removed[i] {
        part.add(x[i], at: k)
        part.add(-damping, times: y[i], at: k)
        residual[i] = part.high[k] + part.low[k]
      }
    }
    return residual
  }

  /// Returns `Gy`, shape [m].
  func products(with y: ExtendedNumbers) throws -> ExtendedNumbers {
    func join(_ left: [Double], _ right: [Double]) -> [Double] {
      var sum = ExtendedNumbers(serial: left)
      sum.add(ExtendedNumbers(serial: right))
      return sum.serial
    }
    return ExtendedNumbers(
      serial: try fold(
        { self.rows.products(ofBlock: $0, with: y, from: self.start).serial }, join))
  }

  private func change(
    by step: [Double], of y: ExtendedNumbers, _ before: ExtendedNumbers, _ products: ExtendedNumbers
  ) throws -> Change {
    // The numbers are scaled first, since squares of large ones would overflow.
    let largest = try fold(
      { block in
        self.coordinates(ofBlock: block).reduce([0]) { Self.largest($0, [y.high[$1].magnitude]) }
      }, Self.largest)[0]
    guard largest.isFinite, products.high.allSatisfy(\.isFinite) else {
      return Change(norm: .nan, element: .nan, products: .nan)
    }
    guard largest > 0 else { return Change(norm: 0, element: 0, products: 0) }
    let sizes = try fold(
      { block in
        var sizes = [0.0, 0, 0]
        for i in self.coordinates(ofBlock: block) where step[i] != 0 || y.high[i] != 0 {
          sizes[0] += (step[i] / largest) * (step[i] / largest)
          sizes[1] += (y.high[i] / largest) * (y.high[i] / largest)
          sizes[2] = max(sizes[2], step[i].magnitude / y.high[i].magnitude)
        }
        return sizes
      }, { [$0[0] + $1[0], $0[1] + $1[1], max($0[2], $1[2])] })
    let scale = products.high.reduce(0) { max($0, $1.magnitude) }
    var (difference, size) = (0.0, 0.0)
    for row in 0..<(scale > 0 ? products.count : 0) {
      let part =
        (products.high[row] - before.high[row]) + (products.low[row] - before.low[row])
      difference += (part / scale) * (part / scale)
      size += (products.high[row] / scale) * (products.high[row] / scale)
    }
    return Change(
      norm: (sizes[0] / sizes[1]).squareRoot(), element: sizes[2],
      products: size > 0 ? (difference / size).squareRoot() : 0)
  }

  /// Returns an approximation of F⁻¹x. With `t = S⁻¹Gx` and `r = x − Gᵀt` it is
  /// `mGᵀS⁻¹t + (r − GᵀS⁻¹Gr)/λ`. This form keeps its digits for an x near the span of the
  /// gradients; `r/λ` alone would lose them.
  private func firstSolution(_ x: [Double]) throws -> [Double] {
    if let all {
      let right = try fold(
        { block in
          self.coordinates(ofBlock: block).filter { !self.removed[$0] }.map { x[$0] }
        }, +)
      var y = [Double](repeating: 0, count: x.count)
      for (coordinate, number) in zip(all.coordinates, all.factor.solve(right)) {
        let i = coordinate - firstCoordinate
        if y.indices.contains(i) { y[i] = number / damping }
      }
      return y
    }
    let t = factor.solve(try plainProducts(with: x))
    var r = x
    try combine(t) { r[$0] -= $1 }
    let again = factor.solve(try plainProducts(with: r))
    let inner = factor.solve(t)
    var y = r.map { $0 / damping }
    try combine(zip(inner, again).map { m * $0 - $1 / damping }) { y[$0] += $1 }
    return y
  }

  private func plainProducts(with x: [Double]) throws -> [Double] {
    try fold(
      { block in
        var products = [Double](repeating: 0, count: self.rows.count)
        x.withUnsafeBufferPointer {
          self.rows.writeProducts(ofBlock: block, with: $0, from: self.start, into: &products)
        }
        return products
      }, Self.sum)
  }

  /// Passes `Gᵀc` to `body`, one kept coordinate after another.
  private func combine(_ c: [Double], _ body: (Int, Double) -> Void) throws {
    for block in blocks {
      let range = coordinates(ofBlock: block)
      let sums = Buffer<Double>(count: range.count)
      rows.combine(c, block: block, into: sums.all)
      for (k, i) in range.enumerated() where !removed[i] { body(i, sums.pointer[k]) }
    }
  }

  // MARK: Elements

  /// Returns `gᵢᵀS⁻¹gᵢ` of all coordinates, kept or not; for a kept one it is 1 − λ[F⁻¹]ᵢᵢ.
  ///
  /// - Complexity: O(m²) for each.
  public func leverages() -> [Double] {
    blocks.flatMap { block in
      let n = rows.blocks[block].count
      let solved = rows.doubles(ofBlock: block, columns: nil)
      factor.solveLower(solved, columns: n)
      return (0..<n).map { k in
        (0..<rows.count).reduce(0) { $0 + solved[$1 * n + k] * solved[$1 * n + k] }
      }
    }
  }

  /// Computes the inverse's block of some coordinates H without a difference:
  /// `[F⁻¹]_HH = (I + G_Hᵀ S_R⁻¹ G_H)⁻¹/λ` with `S_R = mλI + G_R G_Rᵀ`. R are the kept coordinates
  /// outside H.
  private struct Elimination {
    /// H, numbered among the coordinates of all address spaces.
    let coordinates: [Int]
    /// The factor of `I + G_Hᵀ S_R⁻¹ G_H`.
    let factor: CholeskyFactor
    /// A bound on the relative errors of its inverse's diagonal.
    let error: Double
  }

  /// Factors the matrix of the coordinates H; returns nil if there are none.
  ///
  /// - Parameter chosen: for each coordinate of the vectors, whether it is in H.
  private func elimination(of chosen: [Bool]) throws -> Elimination? {
    let width = rows.count + 1
    let columns = try fold(
      { block in
        self.coordinates(ofBlock: block).filter { chosen[$0] }.flatMap { i in
          let place = i + self.start
          return [Double(self.firstCoordinate + i)] + self.rows.columns(place..<place + 1)
        }
      }, +)
    let (m, count) = (rows.count, columns.count / width)
    guard count > 0 else { return nil }
    let others = zip(removed, chosen).map { $0 || $1 }
    let rest = try RefinedInverse(
      factoring: rows, blocks: blocks, firstCoordinate: firstCoordinate, removed: others,
      damping: damping, fold: fold)
    let solved = Buffer<Double>(count: m * count)
    for k in 0..<count {
      for row in 0..<m { solved.pointer[row * count + k] = columns[k * width + 1 + row] }
    }
    rest.factor.solveLower(solved.pointer, columns: count)
    let factor = CholeskyFactor(capacity: count)
    let numbers = (0..<m * count).map { solved.pointer[$0 % m * count + $0 / m] }
    factor.factor(productsOf: TallRows(columns: count, numbers: numbers), shift: 1)
    return Elimination(
      coordinates: (0..<count).map { Int(columns[$0 * width]) }, factor: factor,
      error: (rest.factorError + Self.unit) * factor.scaledCondition())
  }

  /// Returns the elements `[F⁻¹]ᵢᵢ` and a bound on their relative errors.
  ///
  /// An element is `(1 − s)/λ` if its leverage s leaves enough digits of that difference. The
  /// others, at most 2m, are eliminated together; each element takes the value with the smaller
  /// bound.
  ///
  /// - Parameter leverages: the leverages of all coordinates.
  /// - Returns: one value for each coordinate; 0 for omitted ones.
  /// - Complexity: O(dm²) if some are eliminated.
  public func diagonal(
    _ leverages: [Double]
  ) throws -> (values: [Double], error: Double) {
    let least = min(factorError / Self.goodError, 0.5)
    var values = leverages.indices.map { removed[$0] ? 0 : (1 - leverages[$0]) / damping }
    var errors = leverages.indices.map { i in
      removed[i] ? 0 : leverages[i] < 1 ? factorError / (1 - leverages[i]) : .infinity
    }
    let isEliminated = leverages.indices.map { !removed[$0] && 1 - leverages[$0] < least }
    if let eliminated = try all ?? elimination(of: isEliminated) {
      let inverse = eliminated.factor.inverseDiagonal()
      for (coordinate, inverse) in zip(eliminated.coordinates, inverse) {
        let i = coordinate - firstCoordinate
        guard values.indices.contains(i), !(errors[i] <= eliminated.error) else { continue }
        (values[i], errors[i]) = (inverse / damping, eliminated.error)
      }
    }
    let error = try fold(
      { block in
        self.coordinates(ofBlock: block).reduce([0]) { Self.largest($0, [errors[$1]]) }
      }, Self.largest)[0]
    return (values, error)
  }
}
