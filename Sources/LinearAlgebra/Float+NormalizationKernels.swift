import CKernels

extension Float: NormalizationKernels {
  public static func batchStatistics(
    rows rowCount: Int, channels: Int, of x: UnsafePointer<Float>,
    mean: UnsafeMutablePointer<Double>, variance: UnsafeMutablePointer<Double>
  ) {
    ck_batch_statistics_f32(rowCount, channels, x, mean, variance)
  }

  public static func batchGradientSums(
    rows rowCount: Int, channels: Int, _ x: UnsafePointer<Float>, mean: UnsafePointer<Float>,
    _ dy: UnsafePointer<Float>, y: UnsafePointer<Float>?, masked: UnsafeMutablePointer<Float>?,
    sums: UnsafeMutablePointer<Double>, products: UnsafeMutablePointer<Double>
  ) {
    ck_batch_gradient_sums_f32(
      rowCount, channels, x, mean, dy, y, masked, sums, products)
  }

  public static func scaleChannels(
    rows rowCount: Int, channels: Int, scale: UnsafePointer<Float>, shift: UnsafePointer<Float>,
    addend: UnsafePointer<Float>?, relu: Bool, _ x: UnsafePointer<Float>,
    into y: UnsafeMutablePointer<Float>
  ) {
    ck_channel_scale_f32(rowCount, channels, scale, shift, addend, relu ? 1 : 0, x, y)
  }

  public static func batchInputGradient(
    rows rowCount: Int, channels: Int, a: UnsafePointer<Float>, b: UnsafePointer<Float>,
    mean: UnsafePointer<Float>, shift: UnsafePointer<Float>, _ x: UnsafePointer<Float>,
    _ dy: UnsafePointer<Float>, y: UnsafePointer<Float>?, accumulates: Bool,
    into dx: UnsafeMutablePointer<Float>
  ) {
    ck_batch_input_gradient_f32(
      rowCount, channels, a, b, mean, shift, x, dy, y, accumulates ? 1 : 0, dx)
  }

  public static func layerNorm(
    rows rowCount: Int, width: Int, epsilon: Float, weight: UnsafePointer<Float>,
    bias: UnsafePointer<Float>, _ x: UnsafePointer<Float>, into y: UnsafeMutablePointer<Float>,
    statistics: UnsafeMutablePointer<Float>
  ) {
    ck_layer_norm_f32(rowCount, width, epsilon, weight, bias, x, y, statistics)
  }

  public static func layerNormGradient(
    rows rowCount: Int, width: Int, weight: UnsafePointer<Float>, _ x: UnsafePointer<Float>,
    statistics: UnsafePointer<Float>, _ dy: UnsafePointer<Float>,
    weightGradient: UnsafeMutablePointer<Float>, biasGradient: UnsafeMutablePointer<Float>,
    accumulates: Bool, into dx: UnsafeMutablePointer<Float>?
  ) {
    ck_layer_norm_gradient_f32(
      rowCount, width, weight, x, statistics, dy, weightGradient, biasGradient,
      accumulates ? 1 : 0, dx)
  }

  public static func layerNormTangent(
    rows rowCount: Int, width: Int, weight: UnsafePointer<Float>, _ x: UnsafePointer<Float>,
    statistics: UnsafePointer<Float>, _ dx: UnsafePointer<Float>?,
    weightTangent: UnsafePointer<Float>, biasTangent: UnsafePointer<Float>,
    into dy: UnsafeMutablePointer<Float>
  ) {
    ck_layer_norm_tangent_f32(
      rowCount, width, weight, x, statistics, dx, weightTangent, biasTangent, dy)
  }

  public static func add(
    count: Int, _ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>,
    into sum: UnsafeMutablePointer<Float>
  ) {
    ck_add_f32(count, a, b, sum)
  }

  public static func rowMeans(
    count: Int, rows rowCount: Int, columns columnCount: Int, of x: UnsafePointer<Float>,
    into y: UnsafeMutablePointer<Float>
  ) {
    ck_row_means_f32(count, rowCount, columnCount, x, y)
  }

  public static func rowMeansGradient(
    count: Int, rows rowCount: Int, columns columnCount: Int, _ dy: UnsafePointer<Float>,
    into dx: UnsafeMutablePointer<Float>
  ) {
    ck_row_means_gradient_f32(count, rowCount, columnCount, dy, dx)
  }

  public static func embed(
    count: Int, width: Int, tokens: UnsafePointer<Float>, table: UnsafePointer<Float>,
    into y: UnsafeMutablePointer<Float>
  ) {
    ck_embed_f32(count, width, tokens, table, y)
  }

  public static func embedGradient(
    count: Int, width: Int, tokens: UnsafePointer<Float>, _ dy: UnsafePointer<Float>,
    addingTo tableGradient: UnsafeMutablePointer<Float>
  ) {
    ck_embed_gradient_f32(count, width, tokens, dy, tableGradient)
  }

  public static func softmax(
    rows rowCount: Int, columns columnCount: Int, isCausal: Bool, _ x: UnsafeMutablePointer<Float>
  ) {
    ck_softmax_f32(rowCount, columnCount, isCausal ? 1 : 0, x)
  }

  public static func softmaxGradient(
    rows rowCount: Int, columns columnCount: Int, _ y: UnsafePointer<Float>,
    _ dx: UnsafeMutablePointer<Float>
  ) {
    ck_softmax_gradient_f32(rowCount, columnCount, y, dx)
  }

  public static func dropout(
    count: Int, probability: Double, seed: UInt64, stream: UInt64, first: Int,
    _ x: UnsafePointer<Float>, into y: UnsafeMutablePointer<Float>
  ) {
    ck_dropout_f32(count, probability, seed, stream, UInt64(first), x, y)
  }
}
