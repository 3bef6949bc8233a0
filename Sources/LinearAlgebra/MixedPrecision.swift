import CKernels

/// Products with numbers of single precision, summed in double precision. No BLAS has them.
///
/// A product of two `Float`s is exact in double precision, so a dot product carries the errors of its
/// sum alone. The bits are the same on every CPU.
public enum MixedPrecision {
  /// `x · y`.
  public static func dot(_ x: UnsafeBufferPointer<Float>, _ y: UnsafeBufferPointer<Float>) -> Double
  {
    precondition(x.count == y.count, "\(x.count) numbers times \(y.count)")
    guard let x0 = x.baseAddress, let y0 = y.baseAddress else { return 0 }
    return ck_dot(x0, y0, x.count)
  }

  /// The sum of `x` in single precision and no particular order: as fast as memory can be read, and
  /// there to measure that.
  public static func streamingSum(_ x: UnsafeBufferPointer<Float>) -> Float {
    guard let start = x.baseAddress else { return 0 }
    return ck_streaming_sum(start, x.count)
  }
}
