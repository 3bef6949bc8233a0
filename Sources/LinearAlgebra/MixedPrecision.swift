import CKernels

/// Products with rows of single precision, summed in double precision. No BLAS has them.
///
/// A product of two `Float`s is exact in double precision, so a dot product carries the errors of its
/// sum alone. The bits are the same on every CPU.
public enum MixedPrecision {
  /// `sums[k] = rows[k] · x`.
  ///
  /// - Parameters:
  ///   - rows: shape [rowCount, stride], of which the first `x.count` columns are read.
  ///   - x: shape [≤ stride].
  ///   - sums: shape [rowCount].
  public static func dots(
    rows: UnsafePointer<Float>, stride: Int, rowCount: Int, x: UnsafeBufferPointer<Float>,
    sums: UnsafeMutablePointer<Double>
  ) {
    guard let start = x.baseAddress else {
      for k in 0..<rowCount { sums[k] = 0 }
      return
    }
    ck_window_dots(rows, stride, rowCount, start, x.count, sums)
  }

  /// `sums = Σ_k coefficients[k]·rows[k]`, in the order of k.
  ///
  /// - Parameters:
  ///   - rows: shape [coefficients.count, stride], of which the first `sums.count` columns are read.
  ///   - sums: shape [≤ stride].
  public static func combine(
    rows: UnsafePointer<Float>, stride: Int, coefficients: [Double],
    sums: UnsafeMutableBufferPointer<Double>
  ) {
    guard let start = sums.baseAddress else { return }
    ck_window_combine(rows, stride, coefficients.count, coefficients, sums.count, start)
  }

  /// The sum of `x` in single precision and no particular order: as fast as memory can be read, and
  /// there to measure that.
  public static func streamingSum(_ x: UnsafeBufferPointer<Float>) -> Float {
    guard let start = x.baseAddress else { return 0 }
    return ck_streaming_sum(start, x.count)
  }
}
