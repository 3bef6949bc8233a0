import COpenBLAS
import Glibc

extension Double: SymmetricMatrices {
  public static func addGram(
    rows: Int, columns: Int, alpha: Double, _ x: UnsafePointer<Double>, beta: Double,
    to c: UnsafeMutablePointer<Double>
  ) {
    cblas_dsyrk(
      CblasRowMajor, CblasLower, CblasTrans, blasint(columns), blasint(rows), alpha, x,
      blasint(columns), beta, c, blasint(columns))
  }

  public static func symmetricProduct(
    rows: Int, columns: Int, _ a: UnsafePointer<Double>, fromRight: Bool,
    _ x: UnsafePointer<Double>,
    into y: UnsafeMutablePointer<Double>
  ) {
    cblas_dsymm(
      CblasRowMajor, fromRight ? CblasRight : CblasLeft, CblasLower, blasint(rows),
      blasint(columns), 1, a, blasint(fromRight ? columns : rows), x, blasint(columns), 0, y,
      blasint(columns))
  }

  public static func decompose(
    order: Int, _ matrix: UnsafeMutablePointer<Double>, values: UnsafeMutablePointer<Double>
  ) -> Bool {
    var n = Int32(order)
    var (size, integerSize) = (Int32(1 + 6 * order + 2 * order * order), Int32(3 + 5 * order))
    let work = Buffer<Double>(count: Int(size))
    let integers = Buffer<Int32>(count: Int(integerSize))
    var info: Int32 = 0
    // The lower triangle by rows is the upper one by columns.
    dsyevd_(
      "V", "U", &n, matrix, &n, values, work.pointer, &size, integers.pointer, &integerSize, &info)
    precondition(info >= 0, "dsyevd: argument \(-info)")
    return info == 0
  }

  public static func invert(
    order: Int, _ matrix: UnsafeMutablePointer<Double>, shift: Double
  ) throws(NotPositiveDefinite) -> Double {
    for i in 0..<order { matrix[i * (order + 1)] += shift }
    var n = Int32(order)
    var info: Int32 = 0
    dpotrf_("U", &n, matrix, &n, &info)
    precondition(info >= 0, "dpotrf: argument \(-info)")
    guard info == 0 else {
      throw NotPositiveDefinite(
        minor: Int(info), order: order, shift: shift, precision: "double")
    }
    var logarithm = 0.0
    for i in 0..<order { logarithm += 2 * log(matrix[i * (order + 1)]) }
    dpotri_("U", &n, matrix, &n, &info)
    precondition(info == 0, "dpotri: \(info)")
    mirrorLower(order: order, matrix)
    return logarithm
  }

  public static func dot(
    count: Int, _ x: UnsafePointer<Double>, _ y: UnsafePointer<Double>
  ) -> Double {
    cblas_ddot(blasint(count), x, 1, y, 1)
  }

  public static func combine(
    count: Int, alpha: Double, _ x: UnsafePointer<Double>, beta: Double,
    into y: UnsafeMutablePointer<Double>
  ) {
    cblas_daxpby(blasint(count), alpha, x, 1, beta, y, 1)
  }
}
