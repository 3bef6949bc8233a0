import CKernels

/// Convolutions computed from the images themselves, for single and double precision.
///
///     x [examples, height, width, channels], y [examples, outputHeight, outputWidth, outputs]
///     W [outputs, channels, kernel, kernel], packed in the order that the kernels read
///
/// The bits are the same on every CPU with a fused multiply-add.
extension Scalar {
  /// `packed` from W, for `convolve`, in the order of `weightGradient`.
  package static func packWeights(
    _ window: SlidingWindow, outputs: Int, _ weights: UnsafePointer<Self>,
    into packed: UnsafeMutablePointer<Self>
  ) {
    var geometry = window.geometry
    kernels.pointee.packWeights(&geometry, outputs, weights, packed)
  }

  /// W from `packed`: for a gradient.
  package static func unpackWeights(
    _ window: SlidingWindow, outputs: Int, _ packed: UnsafePointer<Self>,
    into weights: UnsafeMutablePointer<Self>
  ) {
    var geometry = window.geometry
    kernels.pointee.unpackWeights(&geometry, outputs, packed, weights)
  }

  /// `packed` from W, for `convolveAdjoint`.
  package static func packAdjointWeights(
    _ window: SlidingWindow, outputs: Int, _ weights: UnsafePointer<Self>,
    into packed: UnsafeMutablePointer<Self>
  ) {
    var geometry = window.geometry
    kernels.pointee.packAdjointWeights(&geometry, outputs, weights, packed)
  }

  /// `y[position, o] = bias[o] + Σ x[place in the window, c]·W[o, c, place]`, no bias: zeros; or
  /// the sum is added to y, and there is no bias.
  package static func convolve(
    _ window: SlidingWindow, outputs: Int, examples: Int, _ x: UnsafePointer<Self>,
    packed: UnsafePointer<Self>, bias: UnsafePointer<Self>?, accumulates: Bool,
    scratch: UnsafeMutablePointer<Self>, into y: UnsafeMutablePointer<Self>
  ) {
    var geometry = window.geometry
    kernels.pointee.convolve(
      ck_x86_level(), &geometry, outputs, examples, x, packed, bias, accumulates ? 1 : 0,
      scratch, y)
  }

  /// The adjoint: dx = Wᵀ dy, or dx += Wᵀ dy.
  package static func convolveAdjoint(
    _ window: SlidingWindow, outputs: Int, examples: Int, _ dy: UnsafePointer<Self>,
    packed: UnsafePointer<Self>, accumulates: Bool, scratch: UnsafeMutablePointer<Self>,
    into dx: UnsafeMutablePointer<Self>
  ) {
    var geometry = window.geometry
    kernels.pointee.convolveAdjoint(
      ck_x86_level(), &geometry, outputs, examples, dy, packed, accumulates ? 1 : 0,
      scratch, dx)
  }

  /// The derivative by W, packed: Σ over examples and positions of x·dy, an example at a time.
  package static func weightGradient(
    _ window: SlidingWindow, outputs: Int, examples: Int, _ x: UnsafePointer<Self>,
    _ dy: UnsafePointer<Self>, scratch: UnsafeMutablePointer<Self>,
    into packed: UnsafeMutablePointer<Self>
  ) {
    var geometry = window.geometry
    kernels.pointee.weightGradient(
      ck_x86_level(), &geometry, outputs, examples, x, dy, scratch, packed)
  }
}

/// Elements of the memory that a convolution's kernels need.
public struct ConvolutionSizes: Sendable, Equatable {
  /// Weights packed in either order.
  public let packed: Int
  /// Beside the packed weights.
  public let scratch: Int

  /// Those of a convolution of `window` with so many output channels.
  public init<Element: Scalar>(
    _ window: SlidingWindow, outputs: Int, of type: Element.Type
  ) {
    var geometry = window.geometry
    let sizes = ck_convolution_counts(&geometry, outputs, MemoryLayout<Element>.stride)
    packed = max(sizes.weights, sizes.adjoint_weights)
    scratch = sizes.scratch
  }
}
