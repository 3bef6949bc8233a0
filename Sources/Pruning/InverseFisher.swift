import Curvature
import LinearAlgebra
import MPI
import Sharding

/// The inverse of a damped empirical Fisher matrix whose gradients are shared out over the ranks by
/// columns: never formed, asked for its products, its elements and what they tell of the gradients.
///
///     G [m, d/p]   this rank's columns of the gradients
///     F [d, d]     λI + (1/m) GᵀG
///     S [m, m]     mλI + GGᵀ; F⁻¹ = (I − GᵀS⁻¹G)/λ
///
/// Vectors are in double precision, of shape [d/p], this rank's slice. One sum of m numbers over the
/// ranks makes a product. Frantar, Kurtic and Alistarh, M-FAC, 2021, the static algorithm.
public final class InverseFisher {
  /// λ.
  public let damping: Double
  private let rows: GradientRows
  private let slices: [Range<Int>]
  private let sum: TreeSum
  private let world: Communicator
  private let model: Removal
  /// GGᵀ, shape [m, m], its lower triangle.
  private let gram: [Double]

  /// Collective.
  ///
  /// - Parameters:
  ///   - rows: this rank's columns of the gradients, cell by cell.
  ///   - partition: the cells, and who has which.
  ///   - damping: λ > 0.
  /// - Throws: `PruningError` on all ranks where λ is too small for double precision.
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
    sum = TreeSum(partition, rank: world.rank)
    let (first, m) = (sum.share.lowerBound, rows.count)
    let nothing = [Bool](repeating: false, count: rows.sliceCount)
    let sums = try sum.total(width: Removal.width(count: m), on: world) { cell, sums in
      // Of nothing removed: the weights do not matter.
      Removal.writeSums(
        of: rows, block: cell - first, weights: UnsafeBufferPointer(start: nil, count: 0),
        removed: nothing, into: sums)
    }
    model = try world.agree {
      do {
        return try Removal(sums: sums, count: m, damping: damping, gradientScale: 0)
      } catch {
        throw PruningError("λ \(damping) is too small for these \(m) gradients: \(error)")
      }
    }
    gram = Array(sums[..<(m * m)])
  }

  /// Bytes that it takes on a rank beside the rows, at most: sums of m×m numbers, of which two may wait
  /// on each level of the tree, the factor, and what an eigendecomposition takes.
  public static func bytes(count m: Int, partition: CellPartition) -> Int {
    let levels = partition.cells.leaves.trailingZeroBitCount
    return 8 * (2 * levels + 5) * Removal.width(count: m) + SymmetricEigen.bytes(order: m)
  }

  /// The m eigenvalues of `(1/m) GᵀG` that may differ from 0, in decreasing order; those that rounding
  /// has brought below 0 are 0.
  public func eigenvalues() -> [Double] {
    SymmetricEigen(gram[...], order: rows.count).values.reversed().map {
      max($0 / Double(rows.count), 0)
    }
  }

  /// `F⁻¹x`. Collective.
  public func apply(to x: UnsafeBufferPointer<Double>) throws -> [Double] {
    let t = model.solve(try rows.products(with: x, over: sum, on: world))
    let solution = Buffer<Double>(count: x.count)
    for block in rows.blocks.indices {
      let range = rows.blocks[block]
      rows.combine(t, block: block, into: solution[range])
      for i in range { solution.pointer[i] = (x[i] - solution.pointer[i]) / damping }
    }
    return Array(solution.all)
  }

  /// `[F⁻¹]ᵢᵢ` of this rank's coordinates.
  public func diagonal() -> [Double] {
    let weights = Buffer<Float>(count: rows.sliceCount)
    return rows.blocks.indices.flatMap { block in
      model.coordinates(of: rows, block: block, weights: UnsafeBufferPointer(weights.all))
        .map(\.inverse)
    }
  }

  /// `[F⁻¹]ᵢⱼ = (δᵢⱼ − gᵢᵀS⁻¹gⱼ)/λ` of pairs of coordinates in [0, d), the same on all ranks.
  /// Collective.
  public func elements(_ pairs: [(row: Int, column: Int)]) throws -> [Double] {
    let m = rows.count
    let coordinates = Set(pairs.flatMap { [$0.row, $0.column] }).sorted()
    let own = coordinates.filter(slices[world.rank].contains)
    var columns = [Double](repeating: 0, count: m * coordinates.count)
    try world.allGather(
      own.flatMap { coordinate in
        let i = coordinate - slices[world.rank].lowerBound
        return rows.columns(i..<i + 1)
      },
      counts: slices.map { slice in m * coordinates.filter(slice.contains).count },
      into: &columns)
    func column(_ coordinate: Int) -> ArraySlice<Double> {
      let place = m * coordinates.firstIndex(of: coordinate)!
      return columns[place..<place + m]
    }
    return pairs.map { row, other in
      let solved = model.solve(Array(column(other)))
      let product = zip(column(row), solved).reduce(0) { $0 + $1.0 * $1.1 }
      return ((row == other ? 1 : 0) - product) / damping
    }
  }

  /// `GF⁻¹x = m S⁻¹Gx`, shape [m], the same on all ranks: for a test gradient x, how much of a loss a
  /// small step on each row's examples would take away from the test loss. Koh and Liang, 2017, without
  /// their sign. Collective.
  public func influence(on x: UnsafeBufferPointer<Double>) throws -> [Double] {
    model.solve(try rows.products(with: x, over: sum, on: world)).map { Double(rows.count) * $0 }
  }
}
