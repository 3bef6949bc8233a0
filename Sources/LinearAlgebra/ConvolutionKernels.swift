import CKernels

/// Convolutions computed directly from the images, in single and double precision.
///
///     x [examples, height, width, channels], y [examples, outputHeight, outputWidth, outputs]
///     W [outputs, channels, kernel, kernel], packed in the order that the kernels read
///
/// The bits are the same on every CPU with a fused multiply-add.
extension Scalar {
  /// Packs W for `convolve`, in the order of `weightGradient`.
  package static func packWeights(
    _ window: SlidingWindow, outputs: Int, _ weights: UnsafePointer<Self>,
    into packed: UnsafeMutablePointer<Self>
  ) {
    var geometry = window.geometry
    kernels.pointee.packWeights(&geometry, outputs, weights, packed)
  }

  /// Unpacks a gradient of W.
  package static func unpackWeights(
    _ window: SlidingWindow, outputs: Int, _ packed: UnsafePointer<Self>,
    into weights: UnsafeMutablePointer<Self>
  ) {
    var geometry = window.geometry
    kernels.pointee.unpackWeights(&geometry, outputs, packed, weights)
  }

  /// Packs W for `convolveAdjoint`.
  package static func packAdjointWeights(
    _ window: SlidingWindow, outputs: Int, _ weights: UnsafePointer<Self>,
    into packed: UnsafeMutablePointer<Self>
  ) {
    var geometry = window.geometry
    kernels.pointee.packAdjointWeights(&geometry, outputs, weights, packed)
  }

  /// Computes `y[position, o] = bias[o] + Σ x[place in the window, c]·W[o, c, place]`; a nil bias
  /// is zeros. If `accumulates`, adds the sum to y and ignores the bias.
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

  /// Computes the adjoint dx = Wᵀ dy, or dx += Wᵀ dy.
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

  /// Computes the derivative with respect to W, packed: Σ x·dy over examples and positions, one
  /// example at a time.
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

/// Holds the sizes of the memory that a convolution's kernels need, in elements.
package struct ConvolutionSizes: Sendable, Equatable {
  /// The length of the packed weights, in the larger of both orders.
  package let packed: Int
  /// The length of the scratch memory, in addition to the packed weights.
  package let scratch: Int

  /// Computes the sizes for a convolution of `window` with `outputs` output channels.
  package init<Element: Scalar>(
    _ window: SlidingWindow, outputs: Int, of type: Element.Type
  ) {
    var geometry = window.geometry
    let sizes = ck_convolution_counts(&geometry, outputs, MemoryLayout<Element>.stride)
    packed = max(sizes.weights, sizes.adjoint_weights)
    scratch = sizes.scratch
  }
}
