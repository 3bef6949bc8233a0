/// The loops of layers and losses that BLAS does not provide, in single and double precision.
///
/// Arrays are row-major with features last: an image is [height, width, channels].
extension Scalar {
  /// Computes `y[r, c] += bias[c]`; y [rows, columns].
  package static func addBias(
    rows rowCount: Int, columns columnCount: Int, bias: UnsafePointer<Self>,
    to y: UnsafeMutablePointer<Self>
  ) {
    kernels.pointee.addBias(rowCount, columnCount, bias, y)
  }

  /// Computes `sums[c] = Σᵣ x[r, c]`, eight rows at a time in a fixed tree; x [rows, columns].
  package static func columnSums(
    rows rowCount: Int, columns columnCount: Int, of x: UnsafePointer<Self>,
    into sums: UnsafeMutablePointer<Self>
  ) {
    kernels.pointee.columnSums(rowCount, columnCount, x, sums)
  }

  /// Computes `y[i, c, r] = x[i, r, c]`; x [count, rows, columns].
  package static func transpose(
    count: Int, rows rowCount: Int, columns columnCount: Int, _ x: UnsafePointer<Self>,
    into y: UnsafeMutablePointer<Self>
  ) {
    kernels.pointee.transpose(count, rowCount, columnCount, x, y)
  }

  /// Computes `y = f(x)`; y may be x.
  package static func activate(
    _ activation: Activation, count: Int, _ x: UnsafePointer<Self>,
    into y: UnsafeMutablePointer<Self>
  ) {
    kernels.pointee.activate(activation.code, count, x, y)
  }

  /// Computes `dx = f′(x)·dy`; dx may be dy. `kept` is x or y, as `Activation.derivesFromOutput`
  /// selects.
  package static func activationGradient(
    _ activation: Activation, count: Int, kept: UnsafePointer<Self>, _ dy: UnsafePointer<Self>,
    into dx: UnsafeMutablePointer<Self>
  ) {
    kernels.pointee.activationGradient(activation.code, count, kept, dy, dx)
  }

  /// Writes rows of the patches of all examples. Row (example, oy, ox) holds
  /// `x[example, oy·stride + ky − padding, ox·stride + kx − padding, c]` in the order ky, kx, c.
  package static func patches(
    _ window: SlidingWindow, rows: Range<Int>, of x: UnsafePointer<Self>,
    into patches: UnsafeMutablePointer<Self>
  ) {
    var geometry = window.geometry
    kernels.pointee.patches(&geometry, rows.lowerBound, rows.count, x, patches)
  }

  /// Writes the largest value of each window, the first of equal ones, and its place
  /// `ky·kernel + kx`.
  package static func maxPool(
    _ window: SlidingWindow, examples: Int, of x: UnsafePointer<Self>,
    into y: UnsafeMutablePointer<Self>, choices: UnsafeMutablePointer<Int32>
  ) {
    var geometry = window.geometry
    kernels.pointee.maxPool(&geometry, examples, x, y, choices)
  }

  /// Adds each element of dy to its window's chosen place; dx is overwritten.
  package static func maxPoolGradient(
    _ window: SlidingWindow, examples: Int, _ dy: UnsafePointer<Self>,
    choices: UnsafePointer<Int32>, into dx: UnsafeMutablePointer<Self>
  ) {
    var geometry = window.geometry
    kernels.pointee.maxPoolGradient(&geometry, examples, dy, choices, dx)
  }

  /// Writes the element of dx at each window's chosen place.
  package static func maxPoolTangent(
    _ window: SlidingWindow, examples: Int, _ dx: UnsafePointer<Self>,
    choices: UnsafePointer<Int32>, into dy: UnsafeMutablePointer<Self>
  ) {
    var geometry = window.geometry
    kernels.pointee.maxPoolTangent(&geometry, examples, dx, choices, dy)
  }

  /// Writes the sum of each window, including zeros around the image, divided by kernel².
  package static func averagePool(
    _ window: SlidingWindow, examples: Int, of x: UnsafePointer<Self>,
    into y: UnsafeMutablePointer<Self>
  ) {
    var geometry = window.geometry
    kernels.pointee.averagePool(&geometry, examples, x, y)
  }

  /// Adds each element of dy, divided by kernel², to its whole window; dx is overwritten.
  package static func averagePoolGradient(
    _ window: SlidingWindow, examples: Int, _ dy: UnsafePointer<Self>,
    into dx: UnsafeMutablePointer<Self>
  ) {
    var geometry = window.geometry
    kernels.pointee.averagePoolGradient(&geometry, examples, dy, dx)
  }

  /// Returns the sum over the examples of `log Σ_c exp(x[c]) − Σ_c q[c]·x[c]`. Here
  /// `q = (1 − smoothing)·onehot + smoothing/classes`. Writes `dx = scale·(softmax(x) − q)`.
  /// Labels must lie in 0..<classes.
  package static func crossEntropy(
    examples: Int, classes: Int, _ x: UnsafePointer<Self>, labels: UnsafePointer<Int32>,
    smoothing: Double, scale: Self, gradient dx: UnsafeMutablePointer<Self>
  ) -> Double {
    kernels.pointee.crossEntropy(examples, classes, x, labels, smoothing, scale, dx)
  }

  /// Returns the sum over the examples of `Σ_c (x[c] − t[c])² / outputs`, and writes
  /// `dx = scale·2(x − t)/outputs`.
  ///
  /// The targets t are `values` [examples, outputs]. If `values` is nil they are the unit vectors
  /// of the labels, or for a single output the labels themselves.
  package static func squaredError(
    examples: Int, outputs: Int, _ x: UnsafePointer<Self>, labels: UnsafePointer<Int32>?,
    values: UnsafePointer<Self>?, scale: Self, gradient dx: UnsafeMutablePointer<Self>
  ) -> Double {
    kernels.pointee.squaredError(examples, outputs, x, labels, values, scale, dx)
  }

  /// Returns the sum over the examples of `Σ_c log(1 + exp(x[c])) − t[c]·x[c]` divided by outputs,
  /// and writes `dx = scale·(σ(x) − t)/outputs`. Targets are those of `squaredError`.
  package static func binaryCrossEntropy(
    examples: Int, outputs: Int, _ x: UnsafePointer<Self>, labels: UnsafePointer<Int32>?,
    values: UnsafePointer<Self>?, scale: Self, gradient dx: UnsafeMutablePointer<Self>
  ) -> Double {
    kernels.pointee.binaryCrossEntropy(examples, outputs, x, labels, values, scale, dx)
  }

  /// Adds `form[i, j] += Σ tᵢᵀ H tⱼ` over the examples for j ≤ i < count. H is the Hessian of an
  /// example's `crossEntropy` with respect to x: diag(p) − p pᵀ with p = softmax(x).
  ///
  /// The tangents t are [count, examples, classes], the form is [count, count], and `scratch` holds
  /// classes + count elements. The sum `Σ_c p[c]·(tᵢ[c] − pᵀtᵢ)(tⱼ[c] − pᵀtⱼ)` avoids cancellation.
  package static func crossEntropyForm(
    examples: Int, classes: Int, _ x: UnsafePointer<Self>, count: Int,
    tangents: UnsafePointer<Self>, scratch: UnsafeMutablePointer<Double>,
    addingTo form: UnsafeMutablePointer<Double>
  ) {
    kernels.pointee.crossEntropyForm(examples, classes, x, count, tangents, scratch, form)
  }

  /// Adds the same form for `squaredError`: H = 2/outputs.
  package static func squaredErrorForm(
    examples: Int, outputs: Int, count: Int, tangents: UnsafePointer<Self>,
    scratch: UnsafeMutablePointer<Double>, addingTo form: UnsafeMutablePointer<Double>
  ) {
    kernels.pointee.squaredErrorForm(examples, outputs, count, tangents, scratch, form)
  }

  /// Adds the same form for `binaryCrossEntropy`: H = diag(σ(x)(1 − σ(x)))/outputs.
  package static func binaryCrossEntropyForm(
    examples: Int, outputs: Int, _ x: UnsafePointer<Self>, count: Int,
    tangents: UnsafePointer<Self>, scratch: UnsafeMutablePointer<Double>,
    addingTo form: UnsafeMutablePointer<Double>
  ) {
    kernels.pointee.binaryCrossEntropyForm(examples, outputs, x, count, tangents, scratch, form)
  }

  /// Counts the examples whose largest output, the first of equal ones, is at their label. A single
  /// output predicts 1 above the threshold, else 0.
  package static func correct(
    examples: Int, classes: Int, _ x: UnsafePointer<Self>, labels: UnsafePointer<Int32>,
    threshold: Self
  ) -> Int {
    kernels.pointee.correct(examples, classes, x, labels, threshold)
  }
}
