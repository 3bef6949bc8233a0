import Curvature
import LinearAlgebra
import MPI
import Sharding

/// The inverse of a damped empirical Fisher matrix whose gradients are shared out over the ranks by
/// columns: never formed, asked for its products, its elements and what they tell of the gradients.
///
///     G [m, d/p]   this rank's columns of the gradients
///     F [d, d]     λI + (1/m) GᵀG
///
/// Vectors are in double precision, of shape [d/p], this rank's slice. A few sums of m numbers over the
/// ranks make a product. Each answer comes with a bound on its relative error; where that is above
/// `RefinedInverse.largestError`, there is none. Frantar, Kurtic and Alistarh, M-FAC, 2021, the static
/// algorithm; for its digits see `RefinedInverse`.
public final class InverseFisher {
  /// λ.
  public let damping: Double
  /// The largest bound of all answers so far.
  public private(set) var error = 0.0
  private let rows: GradientRows
  private let slices: [Range<Int>]
  private let world: Communicator
  private let inverse: RefinedInverse

  /// Collective.
  ///
  /// - Parameters:
  ///   - rows: this rank's columns of the gradients, cell by cell.
  ///   - partition: the cells, and who has which.
  ///   - damping: λ > 0.
  public init(
    rows: GradientRows, partition: CellPartition, damping: Double, on world: Communicator
  ) throws {
    precondition(
      rows.blocks == partition.cellsInSlice(of: world.rank) && damping > 0,
      "\(rows.blocks.count) blocks on rank \(world.rank), λ \(damping)")
    self.rows = rows
    self.damping = damping
    self.world = world
    slices = partition.slices
    inverse = try RefinedInverse(
      of: rows, blocks: Array(rows.blocks.indices),
      firstCoordinate: partition.slice(of: world.rank).lowerBound,
      removed: [Bool](repeating: false, count: rows.sliceCount), damping: damping,
      fold: world.fold(over: partition))
  }

  /// Bytes that it takes on a rank beside the rows, at most: m×m numbers, of which two may wait on each
  /// level of the tree, and what joining them and eliminating coordinates takes.
  public static func bytes(count m: Int, partition: CellPartition) -> Int {
    let levels = partition.cells.leaves.trailingZeroBitCount
    return 8 * (2 * levels + 16) * m * (m + 1)
  }

  /// The m eigenvalues of `(1/m) GᵀG` that may differ from 0, in decreasing order. Collective.
  public static func eigenvalues(
    of rows: GradientRows, partition: CellPartition, on world: Communicator
  ) throws -> [Double] {
    let values = try RefinedInverse.eigenvalues(of: rows, fold: world.fold(over: partition))
    guard values.allSatisfy(\.isFinite) else {
      throw PruningError(
        "the gradients are too large: expected squares within double precision, got more")
    }
    return values
  }

  /// `F⁻¹x`. Collective.
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
      throw PruningError("\(LostDigits(damping: damping, count: rows.count, error: error))")
    }
    self.error = max(self.error, error)
  }

  /// `[F⁻¹]ᵢᵢ` of this rank's coordinates. Collective.
  public func diagonal() throws -> [Double] {
    let (values, error) = try inverse.diagonal(inverse.leverages())
    try check(error)
    return values
  }

  /// `[F⁻¹]ᵢⱼ` of pairs of coordinates in [0, d), the same on all ranks. Collective.
  public func elements(_ pairs: [(row: Int, column: Int)]) throws -> [Double] {
    let slice = slices[world.rank]
    var elements = [Double](repeating: 0, count: pairs.count)
    for column in Set(pairs.map(\.column)).sorted() {
      let asked = pairs.indices.filter { pairs[$0].column == column }
      let solution = try solve(slice.map { $0 == column ? 1 : 0 })
      let own = asked.filter { slice.contains(pairs[$0].row) }
      var gathered = [Double](repeating: 0, count: asked.count)
      try world.allGather(
        own.map { solution[pairs[$0].row - slice.lowerBound] },
        counts: slices.map { slice in asked.count { slice.contains(pairs[$0].row) } },
        into: &gathered)
      let order = asked.sorted { rank(of: pairs[$0].row) < rank(of: pairs[$1].row) }
      for (pair, element) in zip(order, gathered) { elements[pair] = element }
    }
    return elements
  }

  private func rank(of coordinate: Int) -> Int { slices.firstIndex { $0.contains(coordinate) }! }

  /// `GF⁻¹x`, shape [m], the same on all ranks: for a test gradient x, how much of a loss a small step on
  /// each row's examples would take away from the test loss. Koh and Liang, 2017, without their sign.
  /// Collective.
  public func influence(on x: UnsafeBufferPointer<Double>) throws -> [Double] {
    let solution = try inverse.solve(Array(x))
    try check(solution.productsError)
    return solution.products.rounded
  }
}

extension Communicator {
  /// Joins what the blocks of all ranks have, which are the cells of a partition. Collective.
  func fold(over partition: CellPartition) -> RefinedInverse.Fold {
    let sum = TreeSum(partition, rank: rank)
    return { [self] leaf, join in
      try sum.fold(on: self, leaf: { try leaf($0 - sum.share.lowerBound) }, join: join)
    }
  }
}
