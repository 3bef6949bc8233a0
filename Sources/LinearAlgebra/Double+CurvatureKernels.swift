import CKernels

extension Double: CurvatureKernels {
  public static func patchSums(
    _ window: SlidingWindow, examples: Int, of x: UnsafePointer<Double>,
    scratch: UnsafeMutablePointer<Double>, into y: UnsafeMutablePointer<Double>
  ) {
    var geometry = window.geometry
    ck_patch_sums_f64(&geometry, examples, x, scratch, y)
  }

  public static func scaleRows(
    rows rowCount: Int, columns columnCount: Int, scale: UnsafePointer<Double>,
    _ x: UnsafePointer<Double>, into y: UnsafeMutablePointer<Double>
  ) {
    ck_scale_rows_f64(rowCount, columnCount, scale, x, y)
  }

  public static func divideByOuter(
    rows rowCount: Int, columns columnCount: Int, rowValues: UnsafePointer<Double>,
    rowShift: Double,
    columnValues: UnsafePointer<Double>, columnShift: Double, damping: Double,
    _ x: UnsafeMutablePointer<Double>
  ) {
    ck_divide_by_outer_f64(
      rowCount, columnCount, rowValues, rowShift, columnValues, columnShift, damping, x)
  }

  public static func classAt(_ share: Double, classes: Int, _ p: UnsafePointer<Double>) -> Int {
    ck_class_at_f64(classes, p, share)
  }

  public static func packLower(
    order: Int, _ matrix: UnsafePointer<Double>, stride: Int, places: UnsafePointer<Int32>?,
    into packed: UnsafeMutablePointer<Double>
  ) {
    ck_pack_lower_f64(order, matrix, stride, places, packed)
  }

  public static func unpackLower(
    order: Int, _ packed: UnsafePointer<Double>, scale: Double,
    into matrix: UnsafeMutablePointer<Double>
  ) {
    ck_unpack_lower_f64(order, packed, scale, matrix)
  }

  public static func mirrorLower(order: Int, _ matrix: UnsafeMutablePointer<Double>) {
    ck_mirror_lower_f64(order, matrix)
  }
}
