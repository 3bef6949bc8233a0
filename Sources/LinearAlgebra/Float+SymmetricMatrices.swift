import CKernels
import COpenBLAS
import Glibc

extension Float: SymmetricMatrices {
  public static func addGram(
    rows: Int, columns: Int, alpha: Float, _ x: UnsafePointer<Float>, beta: Float,
    to c: UnsafeMutablePointer<Float>
  ) {
    cblas_ssyrk(
      CblasRowMajor, CblasLower, CblasTrans, blasint(columns), blasint(rows), alpha, x,
      blasint(columns), beta, c, blasint(columns))
  }

  public static func symmetricProduct(
    rows: Int, columns: Int, _ a: UnsafePointer<Float>, fromRight: Bool, _ x: UnsafePointer<Float>,
    into y: UnsafeMutablePointer<Float>
  ) {
    cblas_ssymm(
      CblasRowMajor, fromRight ? CblasRight : CblasLeft, CblasLower, blasint(rows),
      blasint(columns), 1, a, blasint(fromRight ? columns : rows), x, blasint(columns), 0, y,
      blasint(columns))
  }

  public static func decompose(
    order: Int, _ matrix: UnsafeMutablePointer<Float>, values: UnsafeMutablePointer<Float>
  ) -> Bool {
    var n = Int32(order)
    var (size, integerSize) = (Int32(1 + 6 * order + 2 * order * order), Int32(3 + 5 * order))
    let work = Buffer<Float>(count: Int(size))
    let integers = Buffer<Int32>(count: Int(integerSize))
    var info: Int32 = 0
    // The lower triangle by rows is the upper one by columns.
    ssyevd_(
      "V", "U", &n, matrix, &n, values, work.pointer, &size, integers.pointer, &integerSize, &info)
    precondition(info >= 0, "ssyevd: argument \(-info)")
    return info == 0
  }

  public static func invert(
    order: Int, _ matrix: UnsafeMutablePointer<Float>, shift: Double
  ) throws(NotPositiveDefinite) -> Double {
    for i in 0..<order { matrix[i * (order + 1)] += Float(shift) }
    var n = Int32(order)
    var info: Int32 = 0
    spotrf_("U", &n, matrix, &n, &info)
    precondition(info >= 0, "spotrf: argument \(-info)")
    guard info == 0 else {
      throw NotPositiveDefinite(
        minor: Int(info), order: order, shift: shift, precision: "single")
    }
    var logarithm = 0.0
    for i in 0..<order { logarithm += 2 * log(Double(matrix[i * (order + 1)])) }
    spotri_("U", &n, matrix, &n, &info)
    precondition(info == 0, "spotri: \(info)")
    mirrorLower(order: order, matrix)
    return logarithm
  }

  public static func dot(
    count: Int, _ x: UnsafePointer<Float>, _ y: UnsafePointer<Float>
  ) -> Double {
    ck_dot(x, y, count)
  }

  public static func combine(
    count: Int, alpha: Float, _ x: UnsafePointer<Float>, beta: Float,
    into y: UnsafeMutablePointer<Float>
  ) {
    cblas_saxpby(blasint(count), alpha, x, 1, beta, y, 1)
  }
}
