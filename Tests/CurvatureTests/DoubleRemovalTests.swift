import Curvature
import LinearAlgebra
import RandomNumbers
import Reference
import Support
import Testing

/// Tests removals of weights and gradients in double precision.
@Suite struct DoubleRemovalTests {
  private func numbers(_ stream: UInt64, _ count: Int) -> [Double] {
    let random = CounterRandom(seed: 29, stream: stream)
    return (0..<count).map { random.uniform(at: UInt64($0)) - 0.5 }
  }

  @Test(
    "the update minimises the model in double precision",
    arguments: [(60, 12, 25), (9, 20, 4)], [0, 1])
  func minimalUpdate(shape: (d: Int, m: Int, removed: Int), gradientScale: Double) throws {
    let (d, m) = (shape.d, shape.m)
    let gradients = (0..<m).map { numbers(UInt64($0), d) }
    let weights = numbers(100, d)
    let removed = (0..<d).map { $0 % 7 * shape.removed / 7 < shape.removed / 2 }
    let rows = GradientRows(count: m, blocks: [0..<d], of: Double.self)
    for (row, gradient) in gradients.enumerated() {
      gradient.withUnsafeBufferPointer { rows.store($0, row: row) }
    }
    let dense = DenseRemoval(
      rows: gradients, weights: weights, damping: 0.1, gradientScale: gradientScale)
    let expected = dense.change(removing: removed)
    let sums = Buffer<Double>(count: SurgeonModel.width(count: m))
    let change = Buffer<Double>(count: d)
    try weights.withUnsafeBufferPointer { weights in
      SurgeonModel.writeSums(of: rows, block: 0, weights: weights, removed: removed, into: sums.all)
      let bySums = try SurgeonModel(
        sums: Array(sums.all), count: m, damping: 0.1, gradientScale: gradientScale)
      let byBlock = try SurgeonModel(
        ofBlock: 0, of: rows, weights: weights, removed: removed, damping: 0.1,
        gradientScale: gradientScale)
      for removal in [bySums, byBlock] {
        removal.writeChange(
          of: rows, block: 0, weights: weights, removed: removed, into: change.all)
        // The condition is at most 100.
        #expect(relativeError(Array(change.all), to: expected) < 1e-13)
        for (i, local) in removal.coordinates(of: rows, block: 0, weights: weights).enumerated()
        where !removed[i] {
          #expect(abs(local.weight - weights[i] - expected[i]) < 1e-13)
        }
      }
    }
    let squares = (0..<d).map { i in gradients.reduce(0) { $0 + $1[i] * $1[i] } }
    #expect(relativeError(rows.squareSums(ofBlock: 0), to: squares) < 1e-15)
  }

  /// Rows of single precision are widened, and paged rows hold the same numbers as rows in memory.
  @Test("rows in memory and in pages hold the stored numbers") func storedNumbers() throws {
    let blocks = [0..<700, 700..<703]
    let plain = GradientRows(count: 2, blocks: blocks, of: Double.self)
    let paged = try GradientRows(count: 2, blocks: blocks, of: Double.self, pagedIn: "/tmp")
    let first = numbers(1, 703)
    let second = numbers(2, 703).map(Float.init)
    for rows in [plain, paged] {
      first.withUnsafeBufferPointer { rows.store($0, row: 0) }
      second.withUnsafeBufferPointer { rows.store($0, row: 1) }
      let sum = Buffer<Double>(count: 700)
      for block in [1, 0, 1] {
        let range = blocks[block]
        rows.combine([1, 2], block: block, into: sum[0..<range.count])
        for (k, i) in range.enumerated() {
          #expect(sum.pointer[k] == first[i] + 2 * Double(second[i]))
        }
      }
    }
  }
}
