import LinearAlgebra
import Reference
import Support
import Testing

@Suite struct CholeskyTests {
  /// Returns a positive definite matrix of order n, rows `stride` apart.
  private func matrix(order n: Int, stride: Int) -> [Double] {
    var values = [Double](repeating: .nan, count: n * stride)
    for i in 0..<n {
      for j in 0..<n { values[i * stride + j] = 1 / Double(i + j + 1) + (i == j ? 0.1 : 0) }
    }
    return values
  }

  @Test("a solution equals that by elimination", arguments: [1, 2, 7, 40])
  func elimination(n: Int) throws {
    let values = matrix(order: n, stride: n + 3)
    let dense = DenseMatrix(rows: n, columns: n) {
      values[$0 * (n + 3) + $1] + ($0 == $1 ? 0.05 : 0)
    }
    let b = (0..<n).map { Double($0 % 3) - 1.5 }
    let factor = CholeskyFactor(capacity: 40)
    try factor.factor(values, stride: n + 3, rows: Array(0..<n), shift: 0.05)
    let x = factor.solve(b)
    // The condition is about 40: about ten units of the last place.
    #expect(relativeError(x, to: dense.solve(b)) < 1e-13)
  }

  @Test("an empty matrix has an empty solution") func emptyMatrix() throws {
    #expect(CholeskyFactor(capacity: 3).solve([]).isEmpty)
  }

  @Test("an indefinite matrix is refused with its failing minor") func failingMinor() {
    let indefinite: [Double] = [4, 2, 0, 2, 1, 0, 0, 0, 5]
    #expect {
      try CholeskyFactor(capacity: 3).factor(indefinite, stride: 3, rows: [0, 1, 2], shift: -0.5)
    } throws: { error in
      (error as? NotPositiveDefinite)?.minor == 2 && "\(error)".contains("leading minor 2")
    }
  }

  /// The factor follows a matrix that loses its first row and gains a last one; compares it with a
  /// fresh factor.
  @Test("the factor follows lost and gained rows") func updatedRows() throws {
    let n = 60
    let values = matrix(order: n, stride: n)
    let factor = CholeskyFactor(capacity: 9, reserve: n)
    try factor.factor(values, stride: n, rows: [0, 1], shift: 0.05)
    for last in 2..<n {
      if factor.order == 9 { factor.removeFirst() }
      let rows = Array(last - factor.order..<last)
      try factor.append(
        row: rows.map { values[last * n + $0] }, diagonal: values[last * n + last] + 0.05)
      let fresh = CholeskyFactor(capacity: 9)
      try fresh.factor(values, stride: n, rows: rows + [last], shift: 0.05)
      let b = (0..<factor.order).map { Double($0 % 3) - 1.5 }
      #expect(relativeError(factor.solve(b), to: fresh.solve(b)) < 1e-13)
      let unit = (0..<factor.order).map { $0 == factor.order - 1 ? 1.0 : 0 }
      #expect(relativeError(factor.solveLastUnit(), to: fresh.solve(unit)) < 1e-13)
      // L⁻¹ follows, for two right-hand sides side by side.
      var two: [Double] = b.flatMap { [$0, 1.0] }
      factor.solveLower(&two, columns: 2)
      #expect(relativeError(b.indices.map { two[2 * $0] }, to: fresh.solveLower(b)) < 1e-13)
      let diagonal = b.indices.map { i in fresh.solve(b.indices.map { $0 == i ? 1 : 0 })[i] }
      #expect(relativeError(factor.inverseDiagonal(), to: diagonal) < 1e-13)
    }
    #expect(factor.hasRoom)
  }

  @Test("a row that makes the matrix singular is refused without effect")
  func singularRow() throws {
    let factor = CholeskyFactor(capacity: 3)
    try factor.factor([4, 2, 2, 5], stride: 2, rows: [0, 1], shift: 0)
    let before = factor.solve([1, 2])
    #expect(throws: NotPositiveDefinite.self) {
      try factor.append(row: [4, 2], diagonal: 4)
    }
    #expect(factor.solve([1, 2]) == before)
    try factor.append(row: [4, 2], diagonal: 4.5)
    #expect(factor.order == 3)
  }
}
