import CKernels

extension Float: CurvatureKernels {
  public static func patchSums(
    _ window: SlidingWindow, examples: Int, of x: UnsafePointer<Float>,
    scratch: UnsafeMutablePointer<Float>, into y: UnsafeMutablePointer<Float>
  ) {
    var geometry = window.geometry
    ck_patch_sums_f32(&geometry, examples, x, scratch, y)
  }

  public static func scaleRows(
    rows rowCount: Int, columns columnCount: Int, scale: UnsafePointer<Float>,
    _ x: UnsafePointer<Float>, into y: UnsafeMutablePointer<Float>
  ) {
    ck_scale_rows_f32(rowCount, columnCount, scale, x, y)
  }

  public static func divideByOuter(
    rows rowCount: Int, columns columnCount: Int, rowValues: UnsafePointer<Float>, rowShift: Float,
    columnValues: UnsafePointer<Float>, columnShift: Float, damping: Float,
    _ x: UnsafeMutablePointer<Float>
  ) {
    ck_divide_by_outer_f32(
      rowCount, columnCount, rowValues, rowShift, columnValues, columnShift, damping, x)
  }

  public static func classAt(_ share: Double, classes: Int, _ p: UnsafePointer<Float>) -> Int {
    ck_class_at_f32(classes, p, share)
  }

  public static func packLower(
    order: Int, _ matrix: UnsafePointer<Float>, stride: Int, places: UnsafePointer<Int32>?,
    into packed: UnsafeMutablePointer<Float>
  ) {
    ck_pack_lower_f32(order, matrix, stride, places, packed)
  }

  public static func unpackLower(
    order: Int, _ packed: UnsafePointer<Float>, scale: Float,
    into matrix: UnsafeMutablePointer<Float>
  ) {
    ck_unpack_lower_f32(order, packed, scale, matrix)
  }

  public static func mirrorLower(order: Int, _ matrix: UnsafeMutablePointer<Float>) {
    ck_mirror_lower_f32(order, matrix)
  }
}
