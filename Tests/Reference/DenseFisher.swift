/// Returns `F = λI + (1/m) GᵀG` as a matrix [d, d], for small d.
public func denseFisher(rows: [[Double]], capacity: Int, damping: Double) -> DenseMatrix {
  let d = rows[0].count
  return DenseMatrix(rows: d, columns: d) { i, j in
    rows.reduce(i == j ? damping : 0) { $0 + $1[i] * $1[j] / Double(capacity) }
  }
}

/// Returns `F⁻¹gⱼ` for a row of G in double precision, without a matrix [d, d] and without the form
/// that cancels.
///
/// With S = GGᵀ + mλI it is `m Gᵀ S⁻¹ eⱼ`. The tests compare it with `denseFisher` for small d.
public func exactDirection(
  rows: [[Double]], slot: Int, capacity: Int, damping: Double
) -> [Double] {
  let n = rows.count
  let shifted = DenseMatrix(rows: n, columns: n) { i, j in
    zip(rows[i], rows[j]).reduce(i == j ? Double(capacity) * damping : 0) { $0 + $1.0 * $1.1 }
  }
  var unit = [Double](repeating: 0, count: n)
  unit[slot] = Double(capacity)
  let c = shifted.solve(unit)
  var direction = [Double](repeating: 0, count: rows[0].count)
  for (row, weight) in zip(rows, c) {
    for i in row.indices { direction[i] += weight * row[i] }
  }
  return direction
}
