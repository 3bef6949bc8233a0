import CKernels

/// Convolutions computed from the images themselves, for single and double precision.
///
///     x [examples, height, width, channels], y [examples, outputHeight, outputWidth, outputs]
///     W [outputs, channels, kernel, kernel], packed in the order that the kernels read
///
/// The bits are the same on every CPU with a fused multiply-add.
public protocol ConvolutionKernels: BitwiseCopyable {
  /// `packed` from W, for `convolve`, in the order of `weightGradient`.
  static func packWeights(
    _ window: SlidingWindow, outputs: Int, _ weights: UnsafePointer<Self>,
    into packed: UnsafeMutablePointer<Self>
  )

  /// W from `packed`: for a gradient.
  static func unpackWeights(
    _ window: SlidingWindow, outputs: Int, _ packed: UnsafePointer<Self>,
    into weights: UnsafeMutablePointer<Self>
  )

  /// `packed` from W, for `convolveAdjoint`.
  static func packAdjointWeights(
    _ window: SlidingWindow, outputs: Int, _ weights: UnsafePointer<Self>,
    into packed: UnsafeMutablePointer<Self>
  )

  /// `y[position, o] = bias[o] + Σ x[place in the window, c]·W[o, c, place]`, no bias: zeros; or the
  /// sum is added to y, and there is no bias.
  static func convolve(
    _ window: SlidingWindow, outputs: Int, examples: Int, _ x: UnsafePointer<Self>,
    packed: UnsafePointer<Self>, bias: UnsafePointer<Self>?, accumulates: Bool,
    scratch: UnsafeMutablePointer<Self>, into y: UnsafeMutablePointer<Self>
  )

  /// The adjoint: dx = Wᵀ dy, or dx += Wᵀ dy.
  static func convolveAdjoint(
    _ window: SlidingWindow, outputs: Int, examples: Int, _ dy: UnsafePointer<Self>,
    packed: UnsafePointer<Self>, accumulates: Bool, scratch: UnsafeMutablePointer<Self>,
    into dx: UnsafeMutablePointer<Self>
  )

  /// The derivative by W, packed: Σ over examples and positions of x·dy, an example at a time.
  static func weightGradient(
    _ window: SlidingWindow, outputs: Int, examples: Int, _ x: UnsafePointer<Self>,
    _ dy: UnsafePointer<Self>, scratch: UnsafeMutablePointer<Self>,
    into packed: UnsafeMutablePointer<Self>
  )
}

/// Elements of the memory that a convolution's kernels need.
public struct ConvolutionSizes: Sendable, Equatable {
  /// Weights packed in either order.
  public let packed: Int
  /// Beside the packed weights.
  public let scratch: Int

  /// Those of a convolution of `window` with so many output channels.
  public init<Element: ConvolutionKernels>(
    _ window: SlidingWindow, outputs: Int, of type: Element.Type
  ) {
    var geometry = window.geometry
    let sizes = ck_convolution_counts(&geometry, outputs, MemoryLayout<Element>.stride)
    packed = max(sizes.weights, sizes.adjoint_weights)
    scratch = sizes.scratch
  }
}
