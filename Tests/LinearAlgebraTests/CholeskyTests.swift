import LinearAlgebra
import Reference
import Testing

@Suite struct CholeskyTests {
  /// A positive definite matrix of order n, rows `stride` apart.
  private func matrix(order n: Int, stride: Int) -> [Double] {
    var values = [Double](repeating: .nan, count: n * stride)
    for i in 0..<n {
      for j in 0..<n { values[i * stride + j] = 1 / Double(i + j + 1) + (i == j ? 0.1 : 0) }
    }
    return values
  }

  @Test(arguments: [1, 2, 7, 40])
  func solvesAsEliminationDoes(n: Int) throws {
    let values = matrix(order: n, stride: n + 3)
    let dense = DenseMatrix(rows: n, columns: n) {
      values[$0 * (n + 3) + $1] + ($0 == $1 ? 0.05 : 0)
    }
    let b = (0..<n).map { Double($0 % 3) - 1.5 }
    let factor = CholeskyFactor(capacity: 40)
    try factor.factor(values, stride: n + 3, order: n, shift: 0.05)
    let x = factor.solve(b)
    // Condition about 40: some ten units of the last place.
    #expect(relativeError(x, to: dense.solve(b)) < 1e-13)
  }

  @Test func anEmptyMatrixHasAnEmptySolution() throws {
    #expect(CholeskyFactor(capacity: 3).solve([]).isEmpty)
  }

  @Test func namesTheLeadingMinorThatFails() {
    let indefinite: [Double] = [4, 2, 0, 2, 1, 0, 0, 0, 5]
    #expect {
      try CholeskyFactor(capacity: 3).factor(indefinite, stride: 3, order: 3, shift: -0.5)
    } throws: { error in
      (error as? NotPositiveDefinite)?.minor == 2 && "\(error)".contains("leading minor 2")
    }
  }
}
