import CKernels

extension Double: NormalizationKernels {
  public static func batchStatistics(
    rows rowCount: Int, channels: Int, of x: UnsafePointer<Double>,
    mean: UnsafeMutablePointer<Double>, variance: UnsafeMutablePointer<Double>
  ) {
    ck_batch_statistics_f64(rowCount, channels, x, mean, variance)
  }

  public static func batchGradientSums(
    rows rowCount: Int, channels: Int, _ x: UnsafePointer<Double>, mean: UnsafePointer<Double>,
    _ dy: UnsafePointer<Double>, y: UnsafePointer<Double>?, masked: UnsafeMutablePointer<Double>?,
    sums: UnsafeMutablePointer<Double>, products: UnsafeMutablePointer<Double>
  ) {
    ck_batch_gradient_sums_f64(
      rowCount, channels, x, mean, dy, y, masked, sums, products)
  }

  public static func scaleChannels(
    rows rowCount: Int, channels: Int, scale: UnsafePointer<Double>, shift: UnsafePointer<Double>,
    addend: UnsafePointer<Double>?, relu: Bool, _ x: UnsafePointer<Double>,
    into y: UnsafeMutablePointer<Double>
  ) {
    ck_channel_scale_f64(rowCount, channels, scale, shift, addend, relu ? 1 : 0, x, y)
  }

  public static func batchInputGradient(
    rows rowCount: Int, channels: Int, a: UnsafePointer<Double>, b: UnsafePointer<Double>,
    mean: UnsafePointer<Double>, shift: UnsafePointer<Double>, _ x: UnsafePointer<Double>,
    _ dy: UnsafePointer<Double>, y: UnsafePointer<Double>?, accumulates: Bool,
    into dx: UnsafeMutablePointer<Double>
  ) {
    ck_batch_input_gradient_f64(
      rowCount, channels, a, b, mean, shift, x, dy, y, accumulates ? 1 : 0, dx)
  }

  public static func layerNorm(
    rows rowCount: Int, width: Int, epsilon: Double, weight: UnsafePointer<Double>,
    bias: UnsafePointer<Double>, _ x: UnsafePointer<Double>, into y: UnsafeMutablePointer<Double>,
    statistics: UnsafeMutablePointer<Double>
  ) {
    ck_layer_norm_f64(rowCount, width, epsilon, weight, bias, x, y, statistics)
  }

  public static func layerNormGradient(
    rows rowCount: Int, width: Int, weight: UnsafePointer<Double>, _ x: UnsafePointer<Double>,
    statistics: UnsafePointer<Double>, _ dy: UnsafePointer<Double>,
    weightGradient: UnsafeMutablePointer<Double>, biasGradient: UnsafeMutablePointer<Double>,
    accumulates: Bool, into dx: UnsafeMutablePointer<Double>?
  ) {
    ck_layer_norm_gradient_f64(
      rowCount, width, weight, x, statistics, dy, weightGradient, biasGradient,
      accumulates ? 1 : 0, dx)
  }

  public static func layerNormTangent(
    rows rowCount: Int, width: Int, weight: UnsafePointer<Double>, _ x: UnsafePointer<Double>,
    statistics: UnsafePointer<Double>, _ dx: UnsafePointer<Double>?,
    weightTangent: UnsafePointer<Double>, biasTangent: UnsafePointer<Double>,
    into dy: UnsafeMutablePointer<Double>
  ) {
    ck_layer_norm_tangent_f64(
      rowCount, width, weight, x, statistics, dx, weightTangent, biasTangent, dy)
  }

  public static func add(
    count: Int, _ a: UnsafePointer<Double>, _ b: UnsafePointer<Double>,
    into sum: UnsafeMutablePointer<Double>
  ) {
    ck_add_f64(count, a, b, sum)
  }

  public static func rowMeans(
    count: Int, rows rowCount: Int, columns columnCount: Int, of x: UnsafePointer<Double>,
    into y: UnsafeMutablePointer<Double>
  ) {
    ck_row_means_f64(count, rowCount, columnCount, x, y)
  }

  public static func rowMeansGradient(
    count: Int, rows rowCount: Int, columns columnCount: Int, _ dy: UnsafePointer<Double>,
    into dx: UnsafeMutablePointer<Double>
  ) {
    ck_row_means_gradient_f64(count, rowCount, columnCount, dy, dx)
  }

  public static func embed(
    count: Int, width: Int, tokens: UnsafePointer<Double>, table: UnsafePointer<Double>,
    into y: UnsafeMutablePointer<Double>
  ) {
    ck_embed_f64(count, width, tokens, table, y)
  }

  public static func embedGradient(
    count: Int, width: Int, tokens: UnsafePointer<Double>, _ dy: UnsafePointer<Double>,
    addingTo tableGradient: UnsafeMutablePointer<Double>
  ) {
    ck_embed_gradient_f64(count, width, tokens, dy, tableGradient)
  }

  public static func softmax(
    rows rowCount: Int, columns columnCount: Int, isCausal: Bool, _ x: UnsafeMutablePointer<Double>
  ) {
    ck_softmax_f64(rowCount, columnCount, isCausal ? 1 : 0, x)
  }

  public static func softmaxGradient(
    rows rowCount: Int, columns columnCount: Int, _ y: UnsafePointer<Double>,
    _ dx: UnsafeMutablePointer<Double>
  ) {
    ck_softmax_gradient_f64(rowCount, columnCount, y, dx)
  }

  public static func dropout(
    count: Int, probability: Double, seed: UInt64, stream: UInt64, first: Int,
    _ x: UnsafePointer<Double>, into y: UnsafeMutablePointer<Double>
  ) {
    ck_dropout_f64(count, probability, seed, stream, UInt64(first), x, y)
  }
}
