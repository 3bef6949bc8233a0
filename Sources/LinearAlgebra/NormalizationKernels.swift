/// The loops of normalisations, sequences and branches, for single and double precision.
///
/// Arrays are in row-major order with features last: an image is [height, width, channels].
extension Scalar {
  /// Of each channel of x [rows, channels]: the mean, and the variance `Σᵣ (x − mean)²/rows`.
  package static func batchStatistics(
    rows rowCount: Int, channels: Int, of x: UnsafePointer<Self>,
    mean: UnsafeMutablePointer<Double>, variance: UnsafeMutablePointer<Double>
  ) {
    kernels.pointee.batchStatistics(rowCount, channels, x, mean, variance)
  }

  /// `sums[c] = Σᵣ g`, `products[c] = Σᵣ g·(x − mean[c])` with g = dy, or 0 where y is given and
  /// not positive; `masked`, if given, becomes g and may be dy.
  package static func batchGradientSums(
    rows rowCount: Int, channels: Int, _ x: UnsafePointer<Self>, mean: UnsafePointer<Self>,
    _ dy: UnsafePointer<Self>, y: UnsafePointer<Self>?, masked: UnsafeMutablePointer<Self>?,
    sums: UnsafeMutablePointer<Double>, products: UnsafeMutablePointer<Double>
  ) {
    kernels.pointee.batchGradientSums(
      rowCount, channels, x, mean, dy, y, masked, sums, products)
  }

  /// `y = x·scale[c] + shift[c]`, plus the addend if there is one, and at least 0 if `relu`.
  package static func scaleChannels(
    rows rowCount: Int, channels: Int, scale: UnsafePointer<Self>, shift: UnsafePointer<Self>,
    addend: UnsafePointer<Self>?, relu: Bool, _ x: UnsafePointer<Self>,
    into y: UnsafeMutablePointer<Self>
  ) {
    kernels.pointee.scaleChannels(rowCount, channels, scale, shift, addend, relu ? 1 : 0, x, y)
  }

  /// `dx = a[c]·g + b[c]·(x − mean[c]) + shift[c]`, or added to dx, with g = dy, or 0 where y is
  /// given and not positive; dx may be dy.
  package static func batchInputGradient(
    rows rowCount: Int, channels: Int, a: UnsafePointer<Self>, b: UnsafePointer<Self>,
    mean: UnsafePointer<Self>, shift: UnsafePointer<Self>, _ x: UnsafePointer<Self>,
    _ dy: UnsafePointer<Self>, y: UnsafePointer<Self>?, accumulates: Bool,
    into dx: UnsafeMutablePointer<Self>
  ) {
    kernels.pointee.batchInputGradient(
      rowCount, channels, a, b, mean, shift, x, dy, y, accumulates ? 1 : 0, dx)
  }

  /// `y = (x − mean)/√(variance + epsilon)·weight + bias` for each row of x [rows, width], whose
  /// `statistics` [rows, 2] become the mean and the root's inverse.
  package static func layerNorm(
    rows rowCount: Int, width: Int, epsilon: Self, weight: UnsafePointer<Self>,
    bias: UnsafePointer<Self>, _ x: UnsafePointer<Self>, into y: UnsafeMutablePointer<Self>,
    statistics: UnsafeMutablePointer<Self>
  ) {
    kernels.pointee.layerNorm(rowCount, width, epsilon, weight, bias, x, y, statistics)
  }

  /// The derivatives of `layerNorm`; dx, if given, is overwritten or added to.
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

  /// The derivative of `layerNorm` along dx, no dx: zeros, and the tangents of weight and bias.
  package static func layerNormTangent(
    rows rowCount: Int, width: Int, weight: UnsafePointer<Self>, _ x: UnsafePointer<Self>,
    statistics: UnsafePointer<Self>, _ dx: UnsafePointer<Self>?,
    weightTangent: UnsafePointer<Self>, biasTangent: UnsafePointer<Self>,
    into dy: UnsafeMutablePointer<Self>
  ) {
    kernels.pointee.layerNormTangent(
      rowCount, width, weight, x, statistics, dx, weightTangent, biasTangent, dy)
  }

  /// `sum = a + b`, which may be a or b.
  package static func add(
    count: Int, _ a: UnsafePointer<Self>, _ b: UnsafePointer<Self>,
    into sum: UnsafeMutablePointer<Self>
  ) {
    kernels.pointee.add(count, a, b, sum)
  }

  /// `y[n, c] = Σᵣ x[n, r, c]/rows`, x [count, rows, columns].
  package static func rowMeans(
    count: Int, rows rowCount: Int, columns columnCount: Int, of x: UnsafePointer<Self>,
    into y: UnsafeMutablePointer<Self>
  ) {
    kernels.pointee.rowMeans(count, rowCount, columnCount, x, y)
  }

  /// `dx[n, r, c] = dy[n, c]/rows`.
  package static func rowMeansGradient(
    count: Int, rows rowCount: Int, columns columnCount: Int, _ dy: UnsafePointer<Self>,
    into dx: UnsafeMutablePointer<Self>
  ) {
    kernels.pointee.rowMeansGradient(count, rowCount, columnCount, dy, dx)
  }

  /// `y[i] = table[tokens[i]]`, rows of `width`; tokens are whole numbers, and rows of the table.
  package static func embed(
    count: Int, width: Int, tokens: UnsafePointer<Self>, table: UnsafePointer<Self>,
    into y: UnsafeMutablePointer<Self>
  ) {
    kernels.pointee.embed(count, width, tokens, table, y)
  }

  /// `tableGradient[tokens[i]] += dy[i]`, in the order of i.
  package static func embedGradient(
    count: Int, width: Int, tokens: UnsafePointer<Self>, _ dy: UnsafePointer<Self>,
    addingTo tableGradient: UnsafeMutablePointer<Self>
  ) {
    kernels.pointee.embedGradient(count, width, tokens, dy, tableGradient)
  }

  /// Each row of x [rows, columns] becomes its softmax; where causal, row r of its first r + 1
  /// elements, and the others 0.
  package static func softmax(
    rows rowCount: Int, columns columnCount: Int, isCausal: Bool, _ x: UnsafeMutablePointer<Self>
  ) {
    kernels.pointee.softmax(rowCount, columnCount, isCausal ? 1 : 0, x)
  }

  /// `dx ← y·(dx − Σ y·dx)` for each row of softmax y.
  package static func softmaxGradient(
    rows rowCount: Int, columns columnCount: Int, _ y: UnsafePointer<Self>,
    _ dx: UnsafeMutablePointer<Self>
  ) {
    kernels.pointee.softmaxGradient(rowCount, columnCount, y, dx)
  }

  /// `y[i] = 0` with the probability, else `x[i]/(1 − probability)`: number `first + i` of a stream
  /// of Philox4x32-10 decides, `first` a multiple of 4; y may be x.
  package static func dropout(
    count: Int, probability: Double, seed: UInt64, stream: UInt64, first: Int,
    _ x: UnsafePointer<Self>, into y: UnsafeMutablePointer<Self>
  ) {
    kernels.pointee.dropout(count, probability, seed, stream, UInt64(first), x, y)
  }

  /// `y = x/√(Σ x²/width + epsilon)·weight` for each row of x [rows, width]; `statistics` [rows]
  /// become the root's inverse.
  package static func rmsNorm(
    rows: Int, width: Int, epsilon: Self, weight: UnsafePointer<Self>, _ x: UnsafePointer<Self>,
    into y: UnsafeMutablePointer<Self>, statistics: UnsafeMutablePointer<Self>
  ) {
    kernels.pointee.rmsNorm(rows, width, epsilon, weight, x, y, statistics)
  }

  /// The derivatives of `rmsNorm`; dx, if given, is overwritten or added to.
  package static func rmsNormGradient(
    rows: Int, width: Int, weight: UnsafePointer<Self>, _ x: UnsafePointer<Self>,
    statistics: UnsafePointer<Self>, _ dy: UnsafePointer<Self>,
    weightGradient: UnsafeMutablePointer<Self>, accumulates: Bool,
    into dx: UnsafeMutablePointer<Self>?
  ) {
    kernels.pointee.rmsNormGradient(
      rows, width, weight, x, statistics, dy, weightGradient, accumulates ? 1 : 0, dx)
  }

  /// The derivative of `rmsNorm` along dx, no dx: zeros, and the weight's tangent.
  package static func rmsNormTangent(
    rows: Int, width: Int, weight: UnsafePointer<Self>, _ x: UnsafePointer<Self>,
    statistics: UnsafePointer<Self>, _ dx: UnsafePointer<Self>?,
    weightTangent: UnsafePointer<Self>, into dy: UnsafeMutablePointer<Self>
  ) {
    kernels.pointee.rmsNormTangent(rows, width, weight, x, statistics, dx, weightTangent, dy)
  }
}
