import COpenBLAS

/// `C ← AAᵀ` in double precision, its lower triangle; what lies above it stays.
///
/// - Parameters:
///   - a: shape [rows, columns], row-major.
///   - c: shape [rows, rows], row-major.
public func symmetricProduct(
  _ a: UnsafePointer<Double>, rows: Int, columns: Int, into c: UnsafeMutablePointer<Double>
) {
  cblas_dsyrk(
    CblasRowMajor, CblasLower, CblasNoTrans, blasint(rows), blasint(columns), 1, a,
    blasint(max(columns, 1)), 0, c, blasint(max(rows, 1)))
}
