import Curvature
import LinearAlgebra
import MPI
import Sharding

/// Judges weights by a quadratic model of the loss on other rows of gradients, where there is no network to
/// ask: `(1/m') Σᵢ (η g'ᵢᵀδ + ½ (g'ᵢᵀδ)²)` for a change δ from the weights that the rows g' are of.
public struct HeldOutRows: HeldOutJudge {
  private let rows: GradientRows
  private let weights: [Float]
  private let gradientScale: Double
  private let sum: TreeSum

  /// - Parameters:
  ///   - rows: this rank's columns of gradients that the candidates have not seen.
  ///   - weights: this rank's slice of the weights that the gradients are of.
  ///   - gradientScale: η; 1 for the loss's own slope, 0 for a network at its optimum.
  public init(
    rows: GradientRows, weights: UnsafeBufferPointer<Float>, gradientScale: Double = 1,
    partition: CellPartition, rank: Int
  ) {
    precondition(
      rows.blocks == partition.cellsInSlice(of: rank) && weights.count == rows.sliceCount,
      "\(rows.blocks.count) blocks and \(weights.count) weights on rank \(rank)")
    self.rows = rows
    self.weights = Array(weights)
    self.gradientScale = gradientScale
    sum = TreeSum(partition, rank: rank)
  }

  public func loss(of weights: UnsafeBufferPointer<Float>, on world: Communicator) throws -> Double
  {
    let change = zip(weights, self.weights).map { Double($0) - Double($1) }
    let products = try change.withUnsafeBufferPointer {
      try rows.products(with: $0, over: sum, on: world)
    }
    return products.reduce(0) { $0 + (gradientScale + $1 / 2) * $1 } / Double(rows.count)
  }
}
