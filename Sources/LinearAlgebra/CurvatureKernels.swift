/// The loops of Kronecker factors that BLAS does not provide, in single and double precision.
extension Scalar {
  /// Writes the sum of each example's patches over all positions, in the order ky, kx, c, shape
  /// [examples, patchCount]. No patch is formed; `scratch` holds kernel·channels elements.
  package static func patchSums(
    _ window: SlidingWindow, examples: Int, of x: UnsafePointer<Self>,
    scratch: UnsafeMutablePointer<Self>, into y: UnsafeMutablePointer<Self>
  ) {
    var geometry = window.geometry
    kernels.pointee.patchSums(&geometry, examples, x, scratch, y)
  }

  /// Computes `y[r, c] = scale[r]·x[r, c]`; y may be x.
  package static func scaleRows(
    rows rowCount: Int, columns columnCount: Int, scale: UnsafePointer<Self>,
    _ x: UnsafePointer<Self>, into y: UnsafeMutablePointer<Self>
  ) {
    kernels.pointee.scaleRows(rowCount, columnCount, scale, x, y)
  }

  /// Computes `x[r, c] /= (rowValues[r] + rowShift)·(columnValues[c] + columnShift) + damping`.
  package static func divideByOuter(
    rows rowCount: Int, columns columnCount: Int, rowValues: UnsafePointer<Self>, rowShift: Self,
    columnValues: UnsafePointer<Self>, columnShift: Self, damping: Self,
    _ x: UnsafeMutablePointer<Self>
  ) {
    kernels.pointee.divideByOuter(
      rowCount, columnCount, rowValues, rowShift, columnValues, columnShift, damping, x)
  }

  /// Returns the first class whose cumulative probability exceeds `share` in [0, 1) of the total of
  /// p [classes], summed in double precision.
  package static func classAt(_ share: Double, classes: Int, _ p: UnsafePointer<Self>) -> Int {
    kernels.pointee.classAt(classes, p, share)
  }

  /// Packs the lower triangle of a symmetric matrix [order, stride] by rows:
  /// `packed[i(i + 1)/2 + j] = matrix[places[i], places[j]]`, or `matrix[i, j]` if `places` is nil.
  /// Only the lower triangle is read.
  package static func packLower(
    order: Int, _ matrix: UnsafePointer<Self>, stride: Int, places: UnsafePointer<Int32>?,
    into packed: UnsafeMutablePointer<Self>
  ) {
    kernels.pointee.packLower(order, matrix, stride, places, packed)
  }

  /// Writes the lower triangle of `scale` times a packed matrix, shape [order, order].
  package static func unpackLower(
    order: Int, _ packed: UnsafePointer<Self>, scale: Self, into matrix: UnsafeMutablePointer<Self>
  ) {
    kernels.pointee.unpackLower(order, packed, scale, matrix)
  }

  /// Copies the lower triangle of a matrix [order, order] to the upper one.
  package static func mirrorLower(order: Int, _ matrix: UnsafeMutablePointer<Self>) {
    kernels.pointee.mirrorLower(order, matrix)
  }
}
