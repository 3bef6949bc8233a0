/// A dense matrix in double precision, with the plainest algorithms: the truth that fast paths are
/// held against.
public struct DenseMatrix: Equatable {
  public let rows: Int
  public let columns: Int
  public var values: [Double]

  public init(rows: Int, columns: Int, _ value: (Int, Int) -> Double = { _, _ in 0 }) {
    self.rows = rows
    self.columns = columns
    values = (0..<rows * columns).map { value($0 / columns, $0 % columns) }
  }

  public subscript(row: Int, column: Int) -> Double {
    get { values[row * columns + column] }
    set { values[row * columns + column] = newValue }
  }

  public static func * (a: DenseMatrix, b: DenseMatrix) -> DenseMatrix {
    DenseMatrix(rows: a.rows, columns: b.columns) { i, j in
      (0..<a.columns).reduce(0) { $0 + a[i, $1] * b[$1, j] }
    }
  }

  public static func * (a: DenseMatrix, x: [Double]) -> [Double] {
    (0..<a.rows).map { i in (0..<a.columns).reduce(0) { $0 + a[i, $1] * x[$1] } }
  }

  public var transposed: DenseMatrix {
    DenseMatrix(rows: columns, columns: rows) { self[$1, $0] }
  }

  /// Solves `A x = b` by elimination with partial pivoting, refined once.
  public func solve(_ b: [Double]) -> [Double] {
    let first = eliminate(b)
    let residual = zip(b, self * first).map { $0 - $1 }
    return zip(first, eliminate(residual)).map { $0 + $1 }
  }

  private func eliminate(_ b: [Double]) -> [Double] {
    var a = self
    var x = b
    for k in 0..<rows {
      let pivot = (k..<rows).max { abs(a[$0, k]) < abs(a[$1, k]) }!
      if pivot != k {
        for j in 0..<columns { (a[k, j], a[pivot, j]) = (a[pivot, j], a[k, j]) }
        x.swapAt(k, pivot)
      }
      for i in k + 1..<max(rows, k + 1) {
        let factor = a[i, k] / a[k, k]
        guard factor != 0 else { continue }
        for j in k..<columns { a[i, j] -= factor * a[k, j] }
        x[i] -= factor * x[k]
      }
    }
    for i in (0..<rows).reversed() {
      for j in i + 1..<max(columns, i + 1) { x[i] -= a[i, j] * x[j] }
      x[i] /= a[i, i]
    }
    return x
  }
}
