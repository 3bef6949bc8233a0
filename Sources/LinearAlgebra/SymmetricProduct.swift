import COpenBLAS

/// `C ← AAᵀ` or `C ← AᵀA` in double precision, its lower triangle; what lies above it stays.
///
/// - Parameters:
///   - a: shape [rows, columns], row-major.
///   - transposed: whether C is `AᵀA`.
///   - c: shape [rows, rows], or [columns, columns], row-major.
public func symmetricProduct(
  _ a: UnsafePointer<Double>, rows: Int, columns: Int, transposed: Bool = false,
  into c: UnsafeMutablePointer<Double>
) {
  let (order, inner) = transposed ? (columns, rows) : (rows, columns)
  cblas_dsyrk(
    CblasRowMajor, CblasLower, transposed ? CblasTrans : CblasNoTrans, blasint(order),
    blasint(inner), 1, a, blasint(max(columns, 1)), 0, c, blasint(max(order, 1)))
}
