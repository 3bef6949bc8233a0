import CKernels

/// Products with numbers of a scalar, summed in double precision, and their rounding to what rows
/// hold.
///
/// A product of two `Float`s is exact in double precision, so a dot product carries the errors of
/// its sum alone, and has the same bits on every CPU. No BLAS has it.
public enum MixedPrecision {
  /// `x · y`.
  public static func dot<Element: Scalar>(
    _ x: UnsafeBufferPointer<Element>, _ y: UnsafeBufferPointer<Element>
  ) -> Double {
    precondition(x.count == y.count, "\(x.count) numbers times \(y.count)")
    guard let x0 = x.baseAddress, let y0 = y.baseAddress else { return 0 }
    return Element.dot(count: x.count, x0, y0)
  }

  /// Rounds to what rows of a type hold: to nearest, ties to even. A NaN stays one, and what is
  /// beyond the type becomes an infinity.
  public static func round<Element: Scalar>(
    _ x: UnsafeMutableBufferPointer<Element>, to type: RowType
  ) {
    guard type.bytes < MemoryLayout<Element>.size, let start = x.baseAddress else { return }
    Element.kernels.pointee.rows(of: type).round(start, x.count)
  }

  /// The columns of the numbers in `x` that are largest in magnitude, ascending; of equal ones the
  /// first. A NaN counts as larger than all.
  ///
  /// - Parameters:
  ///   - x: at most 65,536 numbers.
  ///   - columns: as many as are asked for, at most `x.count`; overwritten.
  public static func largest<Element: Scalar>(
    of x: UnsafeBufferPointer<Element>, columns: UnsafeMutableBufferPointer<UInt16>
  ) {
    precondition(
      columns.count <= x.count && x.count <= 1 << 16, "\(columns.count) of \(x.count) numbers")
    guard let x0 = x.baseAddress, let columns0 = columns.baseAddress else { return }
    Element.kernels.pointee.largest(x0, x.count, columns.count, columns0)
  }

  /// The sum of `x` in single precision and no particular order: as fast as memory can be read, and
  /// there to measure that.
  public static func streamingSum(_ x: UnsafeBufferPointer<Float>) -> Float {
    guard let start = x.baseAddress else { return 0 }
    return ck_streaming_sum(start, x.count)
  }
}
