import LinearAlgebra
import Sharding

/// The inverse of a damped empirical Fisher matrix of which this address space holds some columns
/// of the gradients: never formed, asked for its products, its elements and what they tell of the
/// gradients.
///
///     G [m, d/p]   these columns
///     F [d, d]     λI + (1/m) GᵀG
///
/// Vectors are in double precision, of shape [d/p], this slice. Sums over all blocks are taken by
/// `fold`; where that communicates, all that asks does. A product takes a few sums of m numbers.
/// Each answer comes with a bound on its relative error; where that is above
/// `RefinedInverse.largestError`, there is none. Frantar, Kurtic and Alistarh, M-FAC, 2021, the
/// static algorithm; for its digits see `RefinedInverse`.
public final class InverseFisher {
  /// λ.
  public let damping: Double
  /// The largest bound of all answers so far.
  public private(set) var error = 0.0
  private let rows: GradientRows
  private let firstCoordinate: Int
  private let fold: RefinedInverse.Fold
  private let inverse: RefinedInverse

  /// - Parameters:
  ///   - rows: G.
  ///   - firstCoordinate: the number in [0, d) of the slice's first coordinate.
  ///   - damping: λ > 0.
  ///   - fold: over all blocks, wherever they are.
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

  /// Bytes that it takes beside the rows, at most: m×m numbers, of which two may wait on each
  /// level of the tree, and what joining them and eliminating coordinates takes.
  public static func bytes(count m: Int, partition: CellPartition) -> Int {
    let levels = partition.cells.leaves.trailingZeroBitCount
    return 8 * (2 * levels + 16) * m * (m + 1)
  }

  /// The m eigenvalues of `(1/m) GᵀG` that may differ from 0, in decreasing order.
  ///
  /// - Throws: `GradientsTooLarge`.
  public static func eigenvalues(
    of rows: GradientRows, fold: RefinedInverse.Fold
  ) throws -> [Double] {
    let values = try RefinedInverse.eigenvalues(of: rows, fold: fold)
    guard values.allSatisfy(\.isFinite) else { throw GradientsTooLarge() }
    return values
  }

  /// `F⁻¹x`.
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

  /// `[F⁻¹]ᵢᵢ` of the slice's coordinates.
  public func diagonal() throws -> [Double] {
    let (values, error) = try inverse.diagonal(inverse.leverages())
    try check(error)
    return values
  }

  /// `[F⁻¹]ᵢⱼ` of pairs of coordinates in [0, d), the same in all address spaces.
  public func elements(_ pairs: [(row: Int, column: Int)]) throws -> [Double] {
    var elements = [Double](repeating: 0, count: pairs.count)
    for column in Set(pairs.map(\.column)).sorted() {
      // In the order in which the blocks have them.
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

  /// `GF⁻¹x`, shape [m], the same in all address spaces: for a test gradient x, how much of a loss
  /// a small step on each row's examples would take away from the test loss. Koh and Liang, 2017,
  /// without their sign.
  public func influence(on x: UnsafeBufferPointer<Double>) throws -> [Double] {
    let solution = try inverse.solve(Array(x))
    try check(solution.productsError)
    return solution.products.rounded
  }
}

/// Gradients whose squares are beyond double precision.
public struct GradientsTooLarge: Error, CustomStringConvertible {
  public var description: String {
    "the gradients are too large: expected squares within double precision, got more"
  }
}
