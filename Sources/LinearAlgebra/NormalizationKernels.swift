/// The loops of normalizations, sequences and branches, in single and double precision.
///
/// Arrays are row-major with features last: an image is [height, width, channels].
extension Scalar {
  /// Writes the mean of each channel of x [rows, channels], and the variance `Σᵣ (x − mean)²/rows`.
  package static func batchStatistics(
    rows rowCount: Int, channels: Int, of x: UnsafePointer<Self>,
    mean: UnsafeMutablePointer<Double>, variance: UnsafeMutablePointer<Double>
  ) {
    kernels.pointee.batchStatistics(rowCount, channels, x, mean, variance)
  }

  /// Computes `sums[c] = Σᵣ g` and `products[c] = Σᵣ g·(x − mean[c])`. g is dy, or 0 if y is given
  /// and not positive. `masked`, if given, receives g and may be dy.
  package static func batchGradientSums(
    rows rowCount: Int, channels: Int, _ x: UnsafePointer<Self>, mean: UnsafePointer<Self>,
    _ dy: UnsafePointer<Self>, y: UnsafePointer<Self>?, masked: UnsafeMutablePointer<Self>?,
    sums: UnsafeMutablePointer<Double>, products: UnsafeMutablePointer<Double>
  ) {
    kernels.pointee.batchGradientSums(
      rowCount, channels, x, mean, dy, y, masked, sums, products)
  }

  /// Computes `y = x·scale[c] + shift[c]`, plus the addend if given, and at least 0 if `relu`.
  package static func scaleChannels(
    rows rowCount: Int, channels: Int, scale: UnsafePointer<Self>, shift: UnsafePointer<Self>,
    addend: UnsafePointer<Self>?, relu: Bool, _ x: UnsafePointer<Self>,
    into y: UnsafeMutablePointer<Self>
  ) {
    kernels.pointee.scaleChannels(rowCount, channels, scale, shift, addend, relu ? 1 : 0, x, y)
  }

  /// Computes `dx = a[c]·g + b[c]·(x − mean[c]) + shift[c]`, or adds it to dx. g is dy, or 0 if y
  /// is given and not positive; dx may be dy.
  package static func batchInputGradient(
    rows rowCount: Int, channels: Int, a: UnsafePointer<Self>, b: UnsafePointer<Self>,
    mean: UnsafePointer<Self>, shift: UnsafePointer<Self>, _ x: UnsafePointer<Self>,
    _ dy: UnsafePointer<Self>, y: UnsafePointer<Self>?, accumulates: Bool,
    into dx: UnsafeMutablePointer<Self>
  ) {
    kernels.pointee.batchInputGradient(
      rowCount, channels, a, b, mean, shift, x, dy, y, accumulates ? 1 : 0, dx)
  }

  /// Computes `y = (x − mean)/√(variance + epsilon)·weight + bias` for each row of x [rows, width].
  /// `statistics` [rows, 2] receives the mean and the inverse of the root.
  package static func layerNorm(
    rows rowCount: Int, width: Int, epsilon: Self, weight: UnsafePointer<Self>,
    bias: UnsafePointer<Self>, _ x: UnsafePointer<Self>, into y: UnsafeMutablePointer<Self>,
    statistics: UnsafeMutablePointer<Self>
  ) {
    kernels.pointee.layerNorm(rowCount, width, epsilon, weight, bias, x, y, statistics)
  }

  /// Computes the derivatives of `layerNorm`; dx, if given, is overwritten or added to.
  package static func layerNormGradient(
    rows rowCount: Int, width: Int, weight: UnsafePointer<Self>, _ x: UnsafePointer<Self>,
    statistics: UnsafePointer<Self>, _ dy: UnsafePointer<Self>,
    weightGradient: UnsafeMutablePointer<Self>, biasGradient: UnsafeMutablePointer<Self>,
    accumulates: Bool, into dx: UnsafeMutablePointer<Self>?
  ) {
    kernels.pointee.layerNormGradient(
      rowCount, width, weight, x, statistics, dy, weightGradient, biasGradient,
      accumulates ? 1 : 0, dx)
  }

  /// Computes the derivative of `layerNorm` along dx (nil: zeros) and the tangents of weight and
  /// bias.
  package static func layerNormTangent(
    rows rowCount: Int, width: Int, weight: UnsafePointer<Self>, _ x: UnsafePointer<Self>,
    statistics: UnsafePointer<Self>, _ dx: UnsafePointer<Self>?,
    weightTangent: UnsafePointer<Self>, biasTangent: UnsafePointer<Self>,
    into dy: UnsafeMutablePointer<Self>
  ) {
    kernels.pointee.layerNormTangent(
      rowCount, width, weight, x, statistics, dx, weightTangent, biasTangent, dy)
  }

  /// Computes `sum = a + b`; sum may be a or b.
  package static func add(
    count: Int, _ a: UnsafePointer<Self>, _ b: UnsafePointer<Self>,
    into sum: UnsafeMutablePointer<Self>
  ) {
    kernels.pointee.add(count, a, b, sum)
  }

  /// Computes `y[n, c] = Σᵣ x[n, r, c]/rows`; x [count, rows, columns].
  package static func rowMeans(
    count: Int, rows rowCount: Int, columns columnCount: Int, of x: UnsafePointer<Self>,
    into y: UnsafeMutablePointer<Self>
  ) {
    kernels.pointee.rowMeans(count, rowCount, columnCount, x, y)
  }

  /// Computes `dx[n, r, c] = dy[n, c]/rows`.
  package static func rowMeansGradient(
    count: Int, rows rowCount: Int, columns columnCount: Int, _ dy: UnsafePointer<Self>,
    into dx: UnsafeMutablePointer<Self>
  ) {
    kernels.pointee.rowMeansGradient(count, rowCount, columnCount, dy, dx)
  }

  /// Computes `y[i] = table[tokens[i]]`, rows of `width` elements; tokens are whole numbers and row
  /// indices of the table.
  package static func embed(
    count: Int, width: Int, tokens: UnsafePointer<Self>, table: UnsafePointer<Self>,
    into y: UnsafeMutablePointer<Self>
  ) {
    kernels.pointee.embed(count, width, tokens, table, y)
  }

  /// Adds `tableGradient[tokens[i]] += dy[i]`, in the order of i.
  package static func embedGradient(
    count: Int, width: Int, tokens: UnsafePointer<Self>, _ dy: UnsafePointer<Self>,
    addingTo tableGradient: UnsafeMutablePointer<Self>
  ) {
    kernels.pointee.embedGradient(count, width, tokens, dy, tableGradient)
  }

  /// Replaces each row of x [rows, columns] by its softmax. If causal, row r takes the softmax of
  /// its first r + 1 elements, and zeros after them.
  package static func softmax(
    rows rowCount: Int, columns columnCount: Int, isCausal: Bool, _ x: UnsafeMutablePointer<Self>
  ) {
    kernels.pointee.softmax(rowCount, columnCount, isCausal ? 1 : 0, x)
  }

  /// Computes `dx ← y·(dx − Σ y·dx)` for each row of softmax y.
  package static func softmaxGradient(
    rows rowCount: Int, columns columnCount: Int, _ y: UnsafePointer<Self>,
    _ dx: UnsafeMutablePointer<Self>
  ) {
    kernels.pointee.softmaxGradient(rowCount, columnCount, y, dx)
  }

  /// Sets `y[i]` to 0 with the given probability, else to `x[i]/(1 − probability)`. Number
  /// `first + i` of a Philox4x32-10 stream decides; `first` is a multiple of 4, and y may be x.
  package static func dropout(
    count: Int, probability: Double, seed: UInt64, stream: UInt64, first: Int,
    _ x: UnsafePointer<Self>, into y: UnsafeMutablePointer<Self>
  ) {
    kernels.pointee.dropout(count, probability, seed, stream, UInt64(first), x, y)
  }

  /// Computes `y = x/√(Σ x²/width + epsilon)·weight` for each row of x [rows, width]. `statistics`
  /// [rows] receives the inverse of the root.
  package static func rmsNorm(
    rows: Int, width: Int, epsilon: Self, weight: UnsafePointer<Self>, _ x: UnsafePointer<Self>,
    into y: UnsafeMutablePointer<Self>, statistics: UnsafeMutablePointer<Self>
  ) {
    kernels.pointee.rmsNorm(rows, width, epsilon, weight, x, y, statistics)
  }

  /// Computes the derivatives of `rmsNorm`; dx, if given, is overwritten or added to.
  package static func rmsNormGradient(
    rows: Int, width: Int, weight: UnsafePointer<Self>, _ x: UnsafePointer<Self>,
    statistics: UnsafePointer<Self>, _ dy: UnsafePointer<Self>,
    weightGradient: UnsafeMutablePointer<Self>, accumulates: Bool,
    into dx: UnsafeMutablePointer<Self>?
  ) {
    kernels.pointee.rmsNormGradient(
      rows, width, weight, x, statistics, dy, weightGradient, accumulates ? 1 : 0, dx)
  }

  /// Computes the derivative of `rmsNorm` along dx (nil: zeros) and the weight's tangent.
  package static func rmsNormTangent(
    rows: Int, width: Int, weight: UnsafePointer<Self>, _ x: UnsafePointer<Self>,
    statistics: UnsafePointer<Self>, _ dx: UnsafePointer<Self>?,
    weightTangent: UnsafePointer<Self>, into dy: UnsafeMutablePointer<Self>
  ) {
    kernels.pointee.rmsNormTangent(rows, width, weight, x, statistics, dx, weightTangent, dy)
  }
}
