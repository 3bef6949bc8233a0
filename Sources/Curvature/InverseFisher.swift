import LinearAlgebra
import Sharding

/// Answers queries about the inverse of a damped empirical Fisher matrix, which is never formed:
/// its products, its elements, and the influence of gradients. This address space holds some
/// columns of the gradients.
///
///     G [m, d/p]   these columns
///     F [d, d]     λI + (1/m) GᵀG
///
/// Vectors are in double precision and cover this slice, shape [d/p]. Sums over all blocks are
/// taken by `fold`; if that communicates, every query is collective. A product takes a few sums of
/// m numbers. Each answer has a bound on its relative error. A query throws `LostDigits` if the
/// bound is above `RefinedInverse.largestError`. Frantar, Kurtic and Alistarh, M-FAC, 2021, the
/// static algorithm; `RefinedInverse` documents its accuracy.
public final class InverseFisher {
  /// λ.
  public let damping: Double
  /// The largest error bound of all answers so far.
  public private(set) var error = 0.0
  private let rows: GradientRows
  private let firstCoordinate: Int
  private let fold: RefinedInverse.Fold
  private let inverse: RefinedInverse

  /// Factors the matrix.
  ///
  /// - Parameters:
  ///   - rows: G.
  ///   - firstCoordinate: the number in [0, d) of the slice's first coordinate.
  ///   - damping: λ > 0.
  ///   - fold: joins the numbers of all blocks, on all ranks.
  public init(
    of rows: GradientRows, firstCoordinate: Int = 0, damping: Double,
    fold: @escaping RefinedInverse.Fold
  ) throws {
    (self.rows, self.firstCoordinate) = (rows, firstCoordinate)
    (self.damping, self.fold) = (damping, fold)
    inverse = try RefinedInverse(
      of: rows, blocks: Array(rows.blocks.indices), firstCoordinate: firstCoordinate,
      removed: [Bool](repeating: false, count: rows.sliceCount), damping: damping, fold: fold)
  }

  /// Returns an upper bound on the bytes that an instance takes in addition to the rows: m×m
  /// numbers, up to two on each level of the tree, and the memory for joins and eliminations.
  public static func bytes(count m: Int, partition: CellPartition) -> Int {
    let levels = partition.cells.leaves.trailingZeroBitCount
    return 8 * (2 * levels + 16) * m * (m + 1)
  }

  /// Returns the m eigenvalues of `(1/m) GᵀG` that may differ from 0, in decreasing order.
  ///
  /// - Throws: `GradientsTooLarge`.
  public static func eigenvalues(
    of rows: GradientRows, fold: RefinedInverse.Fold
  ) throws -> [Double] {
    let values = try RefinedInverse.eigenvalues(of: rows, fold: fold)
    guard values.allSatisfy(\.isFinite) else { throw GradientsTooLarge() }
    return values
  }

  /// Returns `F⁻¹x`.
  public func apply(to x: UnsafeBufferPointer<Double>) throws -> [Double] {
    try solve(Array(x))
  }

  private func solve(_ x: [Double]) throws -> [Double] {
    let solution = try inverse.solve(x)
    try check(solution.error)
    return solution.values
  }

  private func check(_ error: Double) throws {
    guard error <= RefinedInverse.largestError else {
      throw LostDigits(damping: damping, count: rows.count, error: error)
    }
    self.error = max(self.error, error)
  }

  /// Returns `[F⁻¹]ᵢᵢ` of the slice's coordinates.
  public func diagonal() throws -> [Double] {
    let (values, error) = try inverse.diagonal(inverse.leverages())
    try check(error)
    return values
  }

  /// Returns `[F⁻¹]ᵢⱼ` of pairs of coordinates in [0, d); the pairs and the result are the same in
  /// all address spaces.
  public func elements(_ pairs: [(row: Int, column: Int)]) throws -> [Double] {
    var elements = [Double](repeating: 0, count: pairs.count)
    for column in Set(pairs.map(\.column)).sorted() {
      // Sort by row, the order in which the fold returns the elements.
      let asked = pairs.indices.filter { pairs[$0].column == column }
        .sorted { pairs[$0].row < pairs[$1].row }
      let solution = try solve(
        (0..<rows.sliceCount).map { firstCoordinate + $0 == column ? 1 : 0 })
      let found = try fold(
        { [self] block in
          asked.map { pairs[$0].row - firstCoordinate }.filter(rows.blocks[block].contains)
            .map { solution[$0] }
        }, +)
      for (pair, element) in zip(asked, found) { elements[pair] = element }
    }
    return elements
  }

  /// Returns `GF⁻¹x`, shape [m], the same in all address spaces. For a test gradient x this is the
  /// rate at which a small step on each row's examples would reduce the test loss. Koh and Liang,
  /// 2017, with the opposite sign.
  public func influence(on x: UnsafeBufferPointer<Double>) throws -> [Double] {
    let solution = try inverse.solve(Array(x))
    try check(solution.productsError)
    return solution.products.rounded
  }
}

/// Reports gradients whose squares exceed double precision.
public struct GradientsTooLarge: Error, CustomStringConvertible {
  public var description: String {
    "the gradients are too large: their squares exceed double precision"
  }
}
