import CKernels

extension Float: NetworkKernels {
  public static func addBias(
    rows rowCount: Int, columns columnCount: Int, bias: UnsafePointer<Float>,
    to y: UnsafeMutablePointer<Float>
  ) {
    ck_add_bias_f32(rowCount, columnCount, bias, y)
  }

  public static func columnSums(
    rows rowCount: Int, columns columnCount: Int, of x: UnsafePointer<Float>,
    into sums: UnsafeMutablePointer<Float>
  ) {
    ck_column_sums_f32(rowCount, columnCount, x, sums)
  }

  public static func transpose(
    count: Int, rows rowCount: Int, columns columnCount: Int, _ x: UnsafePointer<Float>,
    into y: UnsafeMutablePointer<Float>
  ) {
    ck_transpose_f32(count, rowCount, columnCount, x, y)
  }

  public static func activate(
    _ activation: Activation, count: Int, _ x: UnsafePointer<Float>,
    into y: UnsafeMutablePointer<Float>
  ) {
    ck_activate_f32(activation.code, count, x, y)
  }

  public static func activationGradient(
    _ activation: Activation, count: Int, kept: UnsafePointer<Float>, _ dy: UnsafePointer<Float>,
    into dx: UnsafeMutablePointer<Float>
  ) {
    ck_activation_gradient_f32(activation.code, count, kept, dy, dx)
  }

  public static func patches(
    _ window: SlidingWindow, rows: Range<Int>, of x: UnsafePointer<Float>,
    into patches: UnsafeMutablePointer<Float>
  ) {
    var geometry = window.geometry
    ck_patches_f32(&geometry, rows.lowerBound, rows.count, x, patches)
  }

  public static func maxPool(
    _ window: SlidingWindow, examples: Int, of x: UnsafePointer<Float>,
    into y: UnsafeMutablePointer<Float>, choices: UnsafeMutablePointer<Int32>
  ) {
    var geometry = window.geometry
    ck_max_pool_f32(&geometry, examples, x, y, choices)
  }

  public static func maxPoolGradient(
    _ window: SlidingWindow, examples: Int, _ dy: UnsafePointer<Float>,
    choices: UnsafePointer<Int32>, into dx: UnsafeMutablePointer<Float>
  ) {
    var geometry = window.geometry
    ck_max_pool_gradient_f32(&geometry, examples, dy, choices, dx)
  }

  public static func maxPoolTangent(
    _ window: SlidingWindow, examples: Int, _ dx: UnsafePointer<Float>,
    choices: UnsafePointer<Int32>, into dy: UnsafeMutablePointer<Float>
  ) {
    var geometry = window.geometry
    ck_max_pool_tangent_f32(&geometry, examples, dx, choices, dy)
  }

  public static func averagePool(
    _ window: SlidingWindow, examples: Int, of x: UnsafePointer<Float>,
    into y: UnsafeMutablePointer<Float>
  ) {
    var geometry = window.geometry
    ck_average_pool_f32(&geometry, examples, x, y)
  }

  public static func averagePoolGradient(
    _ window: SlidingWindow, examples: Int, _ dy: UnsafePointer<Float>,
    into dx: UnsafeMutablePointer<Float>
  ) {
    var geometry = window.geometry
    ck_average_pool_gradient_f32(&geometry, examples, dy, dx)
  }

  public static func crossEntropy(
    examples: Int, classes: Int, _ x: UnsafePointer<Float>, labels: UnsafePointer<Int32>,
    smoothing: Double, scale: Float, gradient dx: UnsafeMutablePointer<Float>
  ) -> Double {
    ck_cross_entropy_f32(examples, classes, x, labels, smoothing, scale, dx)
  }

  public static func squaredError(
    examples: Int, outputs: Int, _ x: UnsafePointer<Float>, labels: UnsafePointer<Int32>?,
    values: UnsafePointer<Float>?, scale: Float, gradient dx: UnsafeMutablePointer<Float>
  ) -> Double {
    ck_squared_error_f32(examples, outputs, x, labels, values, scale, dx)
  }

  public static func binaryCrossEntropy(
    examples: Int, outputs: Int, _ x: UnsafePointer<Float>, labels: UnsafePointer<Int32>?,
    values: UnsafePointer<Float>?, scale: Float, gradient dx: UnsafeMutablePointer<Float>
  ) -> Double {
    ck_binary_cross_entropy_f32(examples, outputs, x, labels, values, scale, dx)
  }

  public static func crossEntropyForm(
    examples: Int, classes: Int, _ x: UnsafePointer<Float>, count: Int,
    tangents: UnsafePointer<Float>, scratch: UnsafeMutablePointer<Double>,
    addingTo form: UnsafeMutablePointer<Double>
  ) {
    ck_cross_entropy_form_f32(examples, classes, x, count, tangents, scratch, form)
  }

  public static func squaredErrorForm(
    examples: Int, outputs: Int, count: Int, tangents: UnsafePointer<Float>,
    scratch: UnsafeMutablePointer<Double>, addingTo form: UnsafeMutablePointer<Double>
  ) {
    ck_squared_error_form_f32(examples, outputs, count, tangents, scratch, form)
  }

  public static func binaryCrossEntropyForm(
    examples: Int, outputs: Int, _ x: UnsafePointer<Float>, count: Int,
    tangents: UnsafePointer<Float>, scratch: UnsafeMutablePointer<Double>,
    addingTo form: UnsafeMutablePointer<Double>
  ) {
    ck_binary_cross_entropy_form_f32(examples, outputs, x, count, tangents, scratch, form)
  }

  public static func correct(
    examples: Int, classes: Int, _ x: UnsafePointer<Float>, labels: UnsafePointer<Int32>,
    threshold: Float
  ) -> Int {
    ck_correct_f32(examples, classes, x, labels, threshold)
  }
}
