/// The loops of layers and losses that BLAS has no form for, for single and double precision.
///
/// Arrays are in row-major order with features last: an image is [height, width, channels].
public protocol NetworkKernels: BitwiseCopyable {
  /// `y[r, c] += bias[c]`, y [rows, columns].
  static func addBias(
    rows rowCount: Int, columns columnCount: Int, bias: UnsafePointer<Self>,
    to y: UnsafeMutablePointer<Self>
  )

  /// `sums[c] = Σᵣ x[r, c]`, x [rows, columns]; eight rows at a time, in a fixed tree.
  static func columnSums(
    rows rowCount: Int, columns columnCount: Int, of x: UnsafePointer<Self>,
    into sums: UnsafeMutablePointer<Self>
  )

  /// `y[i, c, r] = x[i, r, c]`, x [count, rows, columns].
  static func transpose(
    count: Int, rows rowCount: Int, columns columnCount: Int, _ x: UnsafePointer<Self>,
    into y: UnsafeMutablePointer<Self>
  )

  /// `y = f(x)`; y may be x.
  static func activate(
    _ activation: Activation, count: Int, _ x: UnsafePointer<Self>,
    into y: UnsafeMutablePointer<Self>
  )

  /// `dx = f′(x)·dy`; dx may be dy. `kept` is x where the activation asks for it, else y.
  static func activationGradient(
    _ activation: Activation, count: Int, kept: UnsafePointer<Self>, _ dy: UnsafePointer<Self>,
    into dx: UnsafeMutablePointer<Self>
  )

  /// Rows of the patches of all examples: row (example, oy, ox) holds
  /// `x[example, oy·stride + ky − padding, ox·stride + kx − padding, c]` in the order ky, kx, c.
  static func patches(
    _ window: SlidingWindow, rows: Range<Int>, of x: UnsafePointer<Self>,
    into patches: UnsafeMutablePointer<Self>
  )

  /// The largest value of each window, of equals the first, and its place `ky·kernel + kx`.
  static func maxPool(
    _ window: SlidingWindow, examples: Int, of x: UnsafePointer<Self>,
    into y: UnsafeMutablePointer<Self>, choices: UnsafeMutablePointer<Int32>
  )

  /// Each element of dy goes to its window's choice; dx is overwritten.
  static func maxPoolGradient(
    _ window: SlidingWindow, examples: Int, _ dy: UnsafePointer<Self>,
    choices: UnsafePointer<Int32>, into dx: UnsafeMutablePointer<Self>
  )

  /// The element of dx at each window's choice.
  static func maxPoolTangent(
    _ window: SlidingWindow, examples: Int, _ dx: UnsafePointer<Self>,
    choices: UnsafePointer<Int32>, into dy: UnsafeMutablePointer<Self>
  )

  /// The sum of each window, zeros around the image included, over kernel².
  static func averagePool(
    _ window: SlidingWindow, examples: Int, of x: UnsafePointer<Self>,
    into y: UnsafeMutablePointer<Self>
  )

  /// Each element of dy over kernel² goes to its whole window; dx is overwritten.
  static func averagePoolGradient(
    _ window: SlidingWindow, examples: Int, _ dy: UnsafePointer<Self>,
    into dx: UnsafeMutablePointer<Self>
  )

  /// The sum over the examples of `log Σ_c exp(x[c]) − Σ_c q[c]·x[c]` with
  /// `q = (1 − smoothing)·onehot + smoothing/classes`; `dx = scale·(softmax(x) − q)`. Labels must lie
  /// in 0..<classes.
  static func crossEntropy(
    examples: Int, classes: Int, _ x: UnsafePointer<Self>, labels: UnsafePointer<Int32>,
    smoothing: Double, scale: Self, gradient dx: UnsafeMutablePointer<Self>
  ) -> Double

  /// The sum over the examples of `Σ_c (x[c] − t[c])² / outputs`; `dx = scale·2(x − t)/outputs`.
  ///
  /// The targets t are `values` [examples, outputs], or where there are none the unit vectors of the
  /// labels, or the labels themselves for a single output.
  static func squaredError(
    examples: Int, outputs: Int, _ x: UnsafePointer<Self>, labels: UnsafePointer<Int32>?,
    values: UnsafePointer<Self>?, scale: Self, gradient dx: UnsafeMutablePointer<Self>
  ) -> Double

  /// The sum over the examples of `Σ_c log(1 + exp(x[c])) − t[c]·x[c]` over outputs, with targets as
  /// above; `dx = scale·(σ(x) − t)/outputs`.
  static func binaryCrossEntropy(
    examples: Int, outputs: Int, _ x: UnsafePointer<Self>, labels: UnsafePointer<Int32>?,
    values: UnsafePointer<Self>?, scale: Self, gradient dx: UnsafeMutablePointer<Self>
  ) -> Double

  /// `form[i, j] += Σ over the examples of tᵢᵀ H tⱼ` for j ≤ i < count, where H is the Hessian of an
  /// example's `crossEntropy` with respect to x: diag(p) − p pᵀ with p = softmax(x).
  ///
  /// The tangents t are [count, examples, classes], the form [count, count], and `scratch` holds
  /// classes + count; computed as `Σ_c p[c]·(tᵢ[c] − pᵀtᵢ)(tⱼ[c] − pᵀtⱼ)`, free of cancellation.
  static func crossEntropyForm(
    examples: Int, classes: Int, _ x: UnsafePointer<Self>, count: Int,
    tangents: UnsafePointer<Self>, scratch: UnsafeMutablePointer<Double>,
    addingTo form: UnsafeMutablePointer<Double>
  )

  /// The same for `squaredError`: H = 2/outputs.
  static func squaredErrorForm(
    examples: Int, outputs: Int, count: Int, tangents: UnsafePointer<Self>,
    scratch: UnsafeMutablePointer<Double>, addingTo form: UnsafeMutablePointer<Double>
  )

  /// The same for `binaryCrossEntropy`: H = diag(σ(x)(1 − σ(x)))/outputs.
  static func binaryCrossEntropyForm(
    examples: Int, outputs: Int, _ x: UnsafePointer<Self>, count: Int,
    tangents: UnsafePointer<Self>, scratch: UnsafeMutablePointer<Double>,
    addingTo form: UnsafeMutablePointer<Double>
  )

  /// How many examples have their largest output, of equals the first, at their label; a
  /// single output says 1 above the threshold, else 0.
  static func correct(
    examples: Int, classes: Int, _ x: UnsafePointer<Self>, labels: UnsafePointer<Int32>,
    threshold: Self
  ) -> Int
}
