import CKernels

extension Double: NetworkKernels {
  public static func addBias(
    rows rowCount: Int, columns columnCount: Int, bias: UnsafePointer<Double>,
    to y: UnsafeMutablePointer<Double>
  ) {
    ck_add_bias_f64(rowCount, columnCount, bias, y)
  }

  public static func columnSums(
    rows rowCount: Int, columns columnCount: Int, of x: UnsafePointer<Double>,
    into sums: UnsafeMutablePointer<Double>
  ) {
    ck_column_sums_f64(rowCount, columnCount, x, sums)
  }

  public static func transpose(
    count: Int, rows rowCount: Int, columns columnCount: Int, _ x: UnsafePointer<Double>,
    into y: UnsafeMutablePointer<Double>
  ) {
    ck_transpose_f64(count, rowCount, columnCount, x, y)
  }

  public static func activate(
    _ activation: Activation, count: Int, _ x: UnsafePointer<Double>,
    into y: UnsafeMutablePointer<Double>
  ) {
    ck_activate_f64(activation.code, count, x, y)
  }

  public static func activationGradient(
    _ activation: Activation, count: Int, kept: UnsafePointer<Double>, _ dy: UnsafePointer<Double>,
    into dx: UnsafeMutablePointer<Double>
  ) {
    ck_activation_gradient_f64(activation.code, count, kept, dy, dx)
  }

  public static func patches(
    _ window: SlidingWindow, rows: Range<Int>, of x: UnsafePointer<Double>,
    into patches: UnsafeMutablePointer<Double>
  ) {
    var geometry = window.geometry
    ck_patches_f64(&geometry, rows.lowerBound, rows.count, x, patches)
  }

  public static func maxPool(
    _ window: SlidingWindow, examples: Int, of x: UnsafePointer<Double>,
    into y: UnsafeMutablePointer<Double>, choices: UnsafeMutablePointer<Int32>
  ) {
    var geometry = window.geometry
    ck_max_pool_f64(&geometry, examples, x, y, choices)
  }

  public static func maxPoolGradient(
    _ window: SlidingWindow, examples: Int, _ dy: UnsafePointer<Double>,
    choices: UnsafePointer<Int32>, into dx: UnsafeMutablePointer<Double>
  ) {
    var geometry = window.geometry
    ck_max_pool_gradient_f64(&geometry, examples, dy, choices, dx)
  }

  public static func maxPoolTangent(
    _ window: SlidingWindow, examples: Int, _ dx: UnsafePointer<Double>,
    choices: UnsafePointer<Int32>, into dy: UnsafeMutablePointer<Double>
  ) {
    var geometry = window.geometry
    ck_max_pool_tangent_f64(&geometry, examples, dx, choices, dy)
  }

  public static func averagePool(
    _ window: SlidingWindow, examples: Int, of x: UnsafePointer<Double>,
    into y: UnsafeMutablePointer<Double>
  ) {
    var geometry = window.geometry
    ck_average_pool_f64(&geometry, examples, x, y)
  }

  public static func averagePoolGradient(
    _ window: SlidingWindow, examples: Int, _ dy: UnsafePointer<Double>,
    into dx: UnsafeMutablePointer<Double>
  ) {
    var geometry = window.geometry
    ck_average_pool_gradient_f64(&geometry, examples, dy, dx)
  }

  public static func crossEntropy(
    examples: Int, classes: Int, _ x: UnsafePointer<Double>, labels: UnsafePointer<Int32>,
    smoothing: Double, scale: Double, gradient dx: UnsafeMutablePointer<Double>
  ) -> Double {
    ck_cross_entropy_f64(examples, classes, x, labels, smoothing, scale, dx)
  }

  public static func squaredError(
    examples: Int, outputs: Int, _ x: UnsafePointer<Double>, labels: UnsafePointer<Int32>?,
    values: UnsafePointer<Double>?, scale: Double, gradient dx: UnsafeMutablePointer<Double>
  ) -> Double {
    ck_squared_error_f64(examples, outputs, x, labels, values, scale, dx)
  }

  public static func binaryCrossEntropy(
    examples: Int, outputs: Int, _ x: UnsafePointer<Double>, labels: UnsafePointer<Int32>?,
    values: UnsafePointer<Double>?, scale: Double, gradient dx: UnsafeMutablePointer<Double>
  ) -> Double {
    ck_binary_cross_entropy_f64(examples, outputs, x, labels, values, scale, dx)
  }

  public static func crossEntropyForm(
    examples: Int, classes: Int, _ x: UnsafePointer<Double>, count: Int,
    tangents: UnsafePointer<Double>, scratch: UnsafeMutablePointer<Double>,
    addingTo form: UnsafeMutablePointer<Double>
  ) {
    ck_cross_entropy_form_f64(examples, classes, x, count, tangents, scratch, form)
  }

  public static func squaredErrorForm(
    examples: Int, outputs: Int, count: Int, tangents: UnsafePointer<Double>,
    scratch: UnsafeMutablePointer<Double>, addingTo form: UnsafeMutablePointer<Double>
  ) {
    ck_squared_error_form_f64(examples, outputs, count, tangents, scratch, form)
  }

  public static func binaryCrossEntropyForm(
    examples: Int, outputs: Int, _ x: UnsafePointer<Double>, count: Int,
    tangents: UnsafePointer<Double>, scratch: UnsafeMutablePointer<Double>,
    addingTo form: UnsafeMutablePointer<Double>
  ) {
    ck_binary_cross_entropy_form_f64(examples, outputs, x, count, tangents, scratch, form)
  }

  public static func correct(
    examples: Int, classes: Int, _ x: UnsafePointer<Double>, labels: UnsafePointer<Int32>,
    threshold: Double
  ) -> Int {
    ck_correct_f64(examples, classes, x, labels, threshold)
  }
}
