import COpenBLAS
import Glibc

/// Products and decompositions of symmetric matrices, and vector operations, from BLAS and LAPACK
/// in single and double precision. Matrices are row-major.
extension Scalar {
  /// Computes `C ← α·XᵀX + β·C` in the lower triangle of C; X [rows, columns], C [columns,
  /// columns].
  package static func addGram(
    rows: Int, columns: Int, alpha: Self, _ x: UnsafePointer<Self>, beta: Self,
    to c: UnsafeMutablePointer<Self>
  ) {
    kernels.pointee.addGram(
      CblasRowMajor, CblasLower, CblasTrans, blasint(columns), blasint(rows), alpha, x,
      blasint(columns), beta, c, blasint(columns))
  }

  /// Computes `Y = A X` or, from the right, `Y = X A`. A is symmetric, and only its lower triangle
  /// is read; X and Y [rows, columns].
  package static func symmetricProduct(
    rows: Int, columns: Int, _ a: UnsafePointer<Self>, fromRight: Bool, _ x: UnsafePointer<Self>,
    into y: UnsafeMutablePointer<Self>
  ) {
    kernels.pointee.symmetricProduct(
      CblasRowMajor, fromRight ? CblasRight : CblasLeft, CblasLower, blasint(rows),
      blasint(columns), 1, a, blasint(fromRight ? columns : rows), x, blasint(columns), 0, y,
      blasint(columns))
  }

  /// Decomposes `A = Q diag(e) Qᵀ` by divide and conquer.
  ///
  /// - Parameters:
  ///   - matrix: [order, order], finite, lower triangle only; becomes Qᵀ, an eigenvector in each
  ///     row.
  ///   - values: becomes e, in increasing order.
  /// - Returns: true if it converged.
  package static func decompose(
    order: Int, _ matrix: UnsafeMutablePointer<Self>, values: UnsafeMutablePointer<Self>
  ) -> Bool {
    var n = Int32(order)
    var (size, integerSize) = (Int32(1 + 6 * order + 2 * order * order), Int32(3 + 5 * order))
    let work = Buffer<Self>(count: Int(size))
    let integers = Buffer<Int32>(count: Int(integerSize))
    var info: Int32 = 0
    // The lower triangle by rows is the upper one by columns.
    kernels.pointee.decompose(
      "V", "U", &n, matrix, &n, values, work.pointer, &size, integers.pointer, &integerSize, &info)
    precondition(info >= 0, "syevd: argument \(-info)")
    return info == 0
  }

  /// Computes `(A + shift·I)⁻¹` from A + shift·I = LLᵀ.
  ///
  /// - Parameter matrix: [order, order], lower triangle only; becomes the inverse.
  /// - Returns: log det (A + shift·I).
  /// - Throws: `NotPositiveDefinite` naming the failing leading minor.
  package static func invert(
    order: Int, _ matrix: UnsafeMutablePointer<Self>, shift: Double
  ) throws(NotPositiveDefinite) -> Double {
    for i in 0..<order { matrix[i * (order + 1)] += Self(shift) }
    var n = Int32(order)
    var info: Int32 = 0
    kernels.pointee.factor("U", &n, matrix, &n, &info)
    precondition(info >= 0, "potrf: argument \(-info)")
    guard info == 0 else {
      throw NotPositiveDefinite(
        minor: Int(info), order: order, shift: shift, precision: precision)
    }
    var logarithm = 0.0
    for i in 0..<order { logarithm += 2 * log(Double(matrix[i * (order + 1)])) }
    kernels.pointee.invertFactored("U", &n, matrix, &n, &info)
    precondition(info == 0, "potri: \(info)")
    mirrorLower(order: order, matrix)
    return logarithm
  }

  /// Returns `x · y`; single precision is summed in double precision.
  package static func dot(count: Int, _ x: UnsafePointer<Self>, _ y: UnsafePointer<Self>) -> Double
  {
    kernels.pointee.dot(count, x, y)
  }

  /// Computes `y ← α·x + β·y`.
  package static func combine(
    count: Int, alpha: Self, _ x: UnsafePointer<Self>, beta: Self,
    into y: UnsafeMutablePointer<Self>
  ) {
    kernels.pointee.combine(blasint(count), alpha, x, 1, beta, y, 1)
  }
}

/// Computes `C ← AAᵀ` or `C ← AᵀA` in double precision, in the lower triangle of C; the rest of C
/// does not change.
///
/// - Parameters:
///   - a: shape [rows, columns], row-major.
///   - transposed: true for `AᵀA`.
///   - c: shape [rows, rows], or [columns, columns] if transposed, row-major.
package func symmetricProduct(
  _ a: UnsafePointer<Double>, rows: Int, columns: Int, transposed: Bool = false,
  into c: UnsafeMutablePointer<Double>
) {
  let (order, inner) = transposed ? (columns, rows) : (rows, columns)
  cblas_dsyrk(
    CblasRowMajor, CblasLower, transposed ? CblasTrans : CblasNoTrans, blasint(order),
    blasint(inner), 1, a, blasint(max(columns, 1)), 0, c, blasint(max(order, 1)))
}
