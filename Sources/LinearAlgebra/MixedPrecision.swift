import CKernels

/// Computes products summed in double precision, and rounds numbers to the type of stored rows.
///
/// The product of two `Float`s is exact in double precision. So a dot product has only the errors
/// of its sum, and the same bits on every CPU. No BLAS provides this.
package enum MixedPrecision {
  /// Returns `x · y`.
  package static func dot<Element: Scalar>(
    _ x: UnsafeBufferPointer<Element>, _ y: UnsafeBufferPointer<Element>
  ) -> Double {
    precondition(x.count == y.count, "\(x.count) numbers times \(y.count)")
    guard let x0 = x.baseAddress, let y0 = y.baseAddress else { return 0 }
    return Element.dot(count: x.count, x0, y0)
  }

  /// Rounds numbers to a row type, to nearest, ties to even. A NaN stays a NaN, and numbers beyond
  /// the type's range become infinities.
  package static func round<Element: Scalar>(
    _ x: UnsafeMutableBufferPointer<Element>, to type: RowType
  ) {
    guard type.bytes < MemoryLayout<Element>.size, let start = x.baseAddress else { return }
    Element.kernels.pointee.rows(of: type).round(start, x.count)
  }

  /// Finds the columns of the numbers in `x` that are largest in magnitude, in ascending order. Of
  /// equal numbers the first are taken. A NaN counts as larger than every number.
  ///
  /// - Parameters:
  ///   - x: at most 65,536 numbers.
  ///   - columns: one place for each requested column, at most `x.count`; overwritten.
  package static func largest<Element: Scalar>(
    of x: UnsafeBufferPointer<Element>, columns: UnsafeMutableBufferPointer<UInt16>
  ) {
    precondition(
      columns.count <= x.count && x.count <= 1 << 16, "\(columns.count) of \(x.count) numbers")
    guard let x0 = x.baseAddress, let columns0 = columns.baseAddress else { return }
    Element.kernels.pointee.largest(x0, x.count, columns.count, columns0)
  }

  /// Returns the sum of `x` in single precision and no particular order. It runs at the speed of
  /// memory, to measure that speed.
  package static func streamingSum(_ x: UnsafeBufferPointer<Float>) -> Float {
    guard let start = x.baseAddress else { return 0 }
    return ck_streaming_sum(start, x.count)
  }
}
