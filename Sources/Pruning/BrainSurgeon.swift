import Curvature
import LinearAlgebra
import MPI
import Sharding

/// Removes weights by a quadratic model of the loss, whose gradients are shared out over the ranks by
/// columns.
///
///   w [d/p]      the weights of this rank's slice
///   G [m, d/p]   its columns of the gradients
///   M            the removed weights, of all ranks
///
/// The model's matrix F = λI + (1/m) GᵀG is taken whole, as in M-FAC, or block by block of the
/// coordinates, as in WoodFisher: then no number crosses the network but sums for the report.
public final class BrainSurgeon {
  /// How kept weights answer.
  public enum Update: String, CaseIterable, Sendable {
    /// They stay as they are.
    case none
    /// The sum of what the removal of each weight alone would ask for (WoodFisher and M-FAC, as
    /// published).
    case independent
    /// The minimum of the model for the whole set.
    case joint
  }

  let rows: GradientRows
  let weights: Buffer<Float>
  /// λ.
  let damping: Double
  /// η.
  private let gradientScale: Double
  let isBlockwise: Bool
  private let sum: TreeSum

  /// - Parameters:
  ///   - rows: this rank's columns of the gradients, cell by cell.
  ///   - partition: the cells, and who has which; block by block, a cell is a block.
  ///   - weights: shape [d/p].
  ///   - damping: λ > 0.
  ///   - gradientScale: η ≥ 0, times the mean gradient; 0 for a network at its optimum.
  ///   - isBlockwise: whether F is taken block by block.
  public init(
    rows: GradientRows, partition: CellPartition, weights: UnsafeBufferPointer<Float>,
    damping: Double, gradientScale: Double = 0, isBlockwise: Bool = false, rank: Int
  ) {
    precondition(
      rows.blocks == partition.cellsInSlice(of: rank) && weights.count == rows.sliceCount,
      "\(rows.blocks.count) blocks and \(weights.count) weights on rank \(rank)")
    precondition(damping > 0 && gradientScale >= 0, "λ \(damping), η \(gradientScale)")
    self.rows = rows
    self.weights = Buffer(count: weights.count)
    _ = self.weights.all.update(fromContentsOf: weights)
    self.damping = damping
    self.gradientScale = gradientScale
    self.isBlockwise = isBlockwise
    sum = TreeSum(partition, rank: rank)
  }

  /// Bytes that it takes on a rank beside the rows, at most: sums of m×m numbers, of which two may wait
  /// on each level of the tree, and what is known of each coordinate.
  public static func bytes(count m: Int, partition: CellPartition, rank: Int) -> Int {
    let levels = partition.cells.leaves.trailingZeroBitCount
    return 8 * (2 * levels + 5) * Removal.width(count: m)
      + (MemoryLayout<Removal.Coordinate>.stride + 32) * partition.slice(of: rank).count
  }

  /// What each weight of this rank would do alone, with `removed` removed and the others at the model's
  /// minimum. Collective.
  public func coordinates(
    removing removed: [Bool], on world: Communicator
  ) throws -> [Removal.Coordinate] {
    var coordinates: [Removal.Coordinate] = []
    _ = try minimum(removing: removed, on: world) { block, removal in
      coordinates += removal.coordinates(of: rows, block: block, weights: all)
    }
    return coordinates
  }

  /// The weights without those that are removed, and the change of the loss that the model predicts.
  /// Collective.
  ///
  /// - Returns: weights, shape [d/p], and the prediction, nil where kept weights do not answer.
  public func update(
    _ kind: Update, removing removed: [Bool], on world: Communicator
  ) throws -> (weights: [Float], prediction: Double?) {
    var updated = (0..<weights.count).map { removed[$0] ? 0 : weights.pointer[$0] }
    var prediction: Double?
    switch kind {
    case .none: break
    case .joint:
      prediction = try minimum(removing: removed, on: world) { block, removal in
        let range = rows.blocks[block]
        let change = Buffer<Double>(count: range.count)
        removal.writeChange(
          of: rows, block: block, weights: all, removed: removed, into: change.all)
        for i in range where !removed[i] {
          updated[i] = Float(
            Double(weights.pointer[i]) + change.pointer[i - range.lowerBound])
        }
      }
    case .independent:
      try addIndependentUpdates(to: &updated, removing: removed, on: world)
    }
    return (updated, prediction)
  }

  /// Of single weights q the update is `−(w_q/[F⁻¹]_qq) F⁻¹e_q`: their sum is `−F⁻¹z`, which in the kept
  /// weights is `GᵀS⁻¹Gz/λ`.
  private func addIndependentUpdates(
    to updated: inout [Float], removing removed: [Bool], on world: Communicator
  ) throws {
    let z = Buffer<Double>(count: weights.count)
    let nothing = [Bool](repeating: false, count: weights.count)
    var whole: Removal?
    _ = try minimum(removing: nothing, on: world) { block, removal in
      let range = rows.blocks[block]
      let coordinates = removal.coordinates(of: rows, block: block, weights: all)
      for (i, coordinate) in zip(range, coordinates) where removed[i] {
        z.pointer[i] = Double(weights.pointer[i]) / coordinate.inverse
      }
      guard isBlockwise else {
        whole = removal
        return
      }
      let change = Buffer<Double>(count: range.count)
      removal.writeInverseProduct(
        of: rows, block: block, with: UnsafeBufferPointer(z.all), into: change.all)
      for i in range where !removed[i] {
        updated[i] = Float(Double(weights.pointer[i]) - change.pointer[i - range.lowerBound])
      }
    }
    guard !isBlockwise else { return }
    let first = sum.share.lowerBound
    let products = try sum.total(width: rows.count, on: world) { block, sums in
      rows.writeProducts(
        ofBlock: block - first, with: UnsafeBufferPointer(z.all), into: sums.baseAddress!)
    }
    guard let t = whole?.solve(products) else { return }
    for (block, range) in rows.blocks.enumerated() {
      let change = Buffer<Double>(count: range.count)
      rows.combine(t, block: block, into: change.all)
      for i in range where !removed[i] {
        updated[i] = Float(
          Double(weights.pointer[i]) + change.pointer[i - range.lowerBound] / damping)
      }
    }
  }

  private var all: UnsafeBufferPointer<Float> { UnsafeBufferPointer(weights.all) }

  /// Hands each block of this rank to `body`, with the model that it belongs to; returns the sum of the
  /// models' minima, the same on all ranks.
  func minimum(
    removing removed: [Bool], on world: Communicator, _ body: (Int, Removal) throws -> Void
  ) throws -> Double {
    precondition(
      removed.count == weights.count, "\(removed.count) flags of \(weights.count) weights")
    func tooSmall(_ error: NotPositiveDefinite) -> PruningError {
      PruningError("--damping \(damping) is too small for these \(rows.count) gradients: \(error)")
    }
    guard isBlockwise else {
      let (first, m) = (sum.share.lowerBound, rows.count)
      let sums = try sum.total(width: Removal.width(count: m), on: world) {
        Removal.writeSums(
          of: rows, block: $0 - first, weights: all, removed: removed, into: $1)
      }
      let removal = try world.agree {
        do {
          return try Removal(
            sums: sums, count: m, damping: damping, gradientScale: gradientScale)
        } catch let error as NotPositiveDefinite { throw tooSmall(error) }
      }
      for block in rows.blocks.indices { try body(block, removal) }
      return removal.value
    }
    var values: [Double] = []
    try world.agree {
      for block in rows.blocks.indices {
        let removal: Removal
        do {
          removal = try Removal(
            ofBlock: block, of: rows, weights: all, removed: removed, damping: damping,
            gradientScale: gradientScale)
        } catch let error as NotPositiveDefinite { throw tooSmall(error) }
        try body(block, removal)
        values.append(removal.value)
      }
    }
    return try sum.total(of: values, on: world)
  }
}
