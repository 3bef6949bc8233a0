/// A dense matrix in double precision with the plainest algorithms; the tests compare fast paths
/// with it.
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

  // Rows are accessed by pointers: bounds checks would take three quarters of the time of many
  // tests.
  private func eliminate(_ b: [Double]) -> [Double] {
    var (a, x) = (values, b)
    let d = columns
    a.withUnsafeMutableBufferPointer { a in
      for k in 0..<rows {
        let pivot = (k..<rows).max { abs(a[$0 * d + k]) < abs(a[$1 * d + k]) }!
        if pivot != k {
          for j in 0..<d { a.swapAt(k * d + j, pivot * d + j) }
          x.swapAt(k, pivot)
        }
        let top = a.baseAddress! + k * d
        for i in k + 1..<max(rows, k + 1) {
          let row = a.baseAddress! + i * d
          let factor = row[k] / top[k]
          guard factor != 0 else { continue }
          for j in k..<d { row[j] -= factor * top[j] }
          x[i] -= factor * x[k]
        }
      }
      for i in (0..<rows).reversed() {
        for j in i + 1..<max(d, i + 1) { x[i] -= a[i * d + j] * x[j] }
        x[i] /= a[i * d + i]
      }
    }
    return x
  }
}
