import COpenBLAS

/// A scalar that BLAS has products for: `Float` for training, `Double` for checking it.
public protocol Scalar: BinaryFloatingPoint, NetworkKernels, ConvolutionKernels,
  NormalizationKernels, CurvatureKernels, SymmetricMatrices, GroupedConvolutionKernels,
  RMSNormKernels,
  Sendable
{
  /// `C ← α·op(A)·op(B) + β·C`, row-major.
  ///
  /// - Parameters:
  ///   - a: op(A) has shape [rows, inner]; `strideA` elements lie between stored rows.
  ///   - b: op(B) has shape [inner, columns].
  ///   - c: shape [rows, columns].
  static func product(
    rows: Int, columns: Int, inner: Int, alpha: Self,
    a: UnsafePointer<Self>, strideA: Int, transposeA: Bool,
    b: UnsafePointer<Self>, strideB: Int, transposeB: Bool,
    beta: Self, c: UnsafeMutablePointer<Self>, strideC: Int)
}

extension Float: Scalar {
  public static func product(
    rows: Int, columns: Int, inner: Int, alpha: Float,
    a: UnsafePointer<Float>, strideA: Int, transposeA: Bool,
    b: UnsafePointer<Float>, strideB: Int, transposeB: Bool,
    beta: Float, c: UnsafeMutablePointer<Float>, strideC: Int
  ) {
    cblas_sgemm(
      CblasRowMajor, transposeA ? CblasTrans : CblasNoTrans, transposeB ? CblasTrans : CblasNoTrans,
      blasint(rows), blasint(columns), blasint(inner), alpha, a, blasint(strideA), b,
      blasint(strideB), beta, c, blasint(strideC))
  }
}

extension Double: Scalar {
  public static func product(
    rows: Int, columns: Int, inner: Int, alpha: Double,
    a: UnsafePointer<Double>, strideA: Int, transposeA: Bool,
    b: UnsafePointer<Double>, strideB: Int, transposeB: Bool,
    beta: Double, c: UnsafeMutablePointer<Double>, strideC: Int
  ) {
    cblas_dgemm(
      CblasRowMajor, transposeA ? CblasTrans : CblasNoTrans, transposeB ? CblasTrans : CblasNoTrans,
      blasint(rows), blasint(columns), blasint(inner), alpha, a, blasint(strideA), b,
      blasint(strideB), beta, c, blasint(strideC))
  }
}
