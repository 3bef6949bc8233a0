/// The loops of normalisations, sequences and branches, for single and double precision.
///
/// Arrays are in row-major order with features last: an image is [height, width, channels].
public protocol NormalizationKernels: BitwiseCopyable {
  /// Of each channel of x [rows, channels]: the mean, and the variance `Σᵣ (x − mean)²/rows`.
  static func batchStatistics(
    rows rowCount: Int, channels: Int, of x: UnsafePointer<Self>,
    mean: UnsafeMutablePointer<Double>, variance: UnsafeMutablePointer<Double>
  )

  /// `sums[c] = Σᵣ g`, `products[c] = Σᵣ g·(x − mean[c])` with g = dy, or 0 where y is given and not
  /// positive; `masked`, if given, becomes g and may be dy.
  static func batchGradientSums(
    rows rowCount: Int, channels: Int, _ x: UnsafePointer<Self>, mean: UnsafePointer<Self>,
    _ dy: UnsafePointer<Self>, y: UnsafePointer<Self>?, masked: UnsafeMutablePointer<Self>?,
    sums: UnsafeMutablePointer<Double>, products: UnsafeMutablePointer<Double>
  )

  /// `y = x·scale[c] + shift[c]`, plus the addend if there is one, and at least 0 if `relu`.
  static func scaleChannels(
    rows rowCount: Int, channels: Int, scale: UnsafePointer<Self>, shift: UnsafePointer<Self>,
    addend: UnsafePointer<Self>?, relu: Bool, _ x: UnsafePointer<Self>,
    into y: UnsafeMutablePointer<Self>
  )

  /// `dx = a[c]·g + b[c]·(x − mean[c]) + shift[c]`, or added to dx, with g = dy, or 0 where y is given
  /// and not positive; dx may be dy.
  static func batchInputGradient(
    rows rowCount: Int, channels: Int, a: UnsafePointer<Self>, b: UnsafePointer<Self>,
    mean: UnsafePointer<Self>, shift: UnsafePointer<Self>, _ x: UnsafePointer<Self>,
    _ dy: UnsafePointer<Self>, y: UnsafePointer<Self>?, accumulates: Bool,
    into dx: UnsafeMutablePointer<Self>
  )

  /// `y = (x − mean)/√(variance + epsilon)·weight + bias` for each row of x [rows, width], whose
  /// `statistics` [rows, 2] become the mean and the root's inverse.
  static func layerNorm(
    rows rowCount: Int, width: Int, epsilon: Self, weight: UnsafePointer<Self>,
    bias: UnsafePointer<Self>, _ x: UnsafePointer<Self>, into y: UnsafeMutablePointer<Self>,
    statistics: UnsafeMutablePointer<Self>
  )

  /// The derivatives of `layerNorm`; dx, if given, is overwritten or added to.
  static func layerNormGradient(
    rows rowCount: Int, width: Int, weight: UnsafePointer<Self>, _ x: UnsafePointer<Self>,
    statistics: UnsafePointer<Self>, _ dy: UnsafePointer<Self>,
    weightGradient: UnsafeMutablePointer<Self>, biasGradient: UnsafeMutablePointer<Self>,
    accumulates: Bool, into dx: UnsafeMutablePointer<Self>?
  )

  /// The derivative of `layerNorm` along dx, no dx: zeros, and the tangents of weight and bias.
  static func layerNormTangent(
    rows rowCount: Int, width: Int, weight: UnsafePointer<Self>, _ x: UnsafePointer<Self>,
    statistics: UnsafePointer<Self>, _ dx: UnsafePointer<Self>?,
    weightTangent: UnsafePointer<Self>, biasTangent: UnsafePointer<Self>,
    into dy: UnsafeMutablePointer<Self>
  )

  /// `sum = a + b`, which may be a or b.
  static func add(
    count: Int, _ a: UnsafePointer<Self>, _ b: UnsafePointer<Self>,
    into sum: UnsafeMutablePointer<Self>
  )

  /// `y[n, c] = Σᵣ x[n, r, c]/rows`, x [count, rows, columns].
  static func rowMeans(
    count: Int, rows rowCount: Int, columns columnCount: Int, of x: UnsafePointer<Self>,
    into y: UnsafeMutablePointer<Self>
  )

  /// `dx[n, r, c] = dy[n, c]/rows`.
  static func rowMeansGradient(
    count: Int, rows rowCount: Int, columns columnCount: Int, _ dy: UnsafePointer<Self>,
    into dx: UnsafeMutablePointer<Self>
  )

  /// `y[i] = table[tokens[i]]`, rows of `width`; tokens are whole numbers, and rows of the table.
  static func embed(
    count: Int, width: Int, tokens: UnsafePointer<Self>, table: UnsafePointer<Self>,
    into y: UnsafeMutablePointer<Self>
  )

  /// `tableGradient[tokens[i]] += dy[i]`, in the order of i.
  static func embedGradient(
    count: Int, width: Int, tokens: UnsafePointer<Self>, _ dy: UnsafePointer<Self>,
    addingTo tableGradient: UnsafeMutablePointer<Self>
  )

  /// Each row of x [rows, columns] becomes its softmax; where causal, row r of its first r + 1
  /// elements, and the others 0.
  static func softmax(
    rows rowCount: Int, columns columnCount: Int, isCausal: Bool, _ x: UnsafeMutablePointer<Self>
  )

  /// `dx ← y·(dx − Σ y·dx)` for each row of softmax y.
  static func softmaxGradient(
    rows rowCount: Int, columns columnCount: Int, _ y: UnsafePointer<Self>,
    _ dx: UnsafeMutablePointer<Self>
  )

  /// `y[i] = 0` with the probability, else `x[i]/(1 − probability)`: number `first + i` of a stream of
  /// Philox4x32-10 decides, `first` a multiple of 4; y may be x.
  static func dropout(
    count: Int, probability: Double, seed: UInt64, stream: UInt64, first: Int,
    _ x: UnsafePointer<Self>, into y: UnsafeMutablePointer<Self>
  )
}
