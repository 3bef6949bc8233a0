import CKernels

/// A square window with places `dilation` pixels apart, over an image whose channels form groups.
///
/// The outputs of group g depend only on the channels of group g. W [outputs, channels/groups,
/// kernel, kernel].
package struct GroupedWindow: Sendable, Equatable {
  /// The window's full extent, (kernel − 1)·dilation + 1 pixels in each direction.
  package let span: SlidingWindow
  /// The window has kernel×kernel places.
  package let kernel: Int
  /// Pixels from one place to the next, on both axes.
  package let dilation: Int
  /// The number of groups of the channels, and of the outputs.
  package let groups: Int

  /// Creates a grouped window.
  ///
  /// - Parameters:
  ///   - span: a window with the size of the full extent.
  ///   - kernel: the window has kernel×kernel places.
  ///   - dilation: pixels from one place to the next.
  ///   - groups: a divisor of the number of channels.
  package init(span: SlidingWindow, kernel: Int, dilation: Int, groups: Int) {
    precondition(
      span.kernel == (kernel - 1) * dilation + 1 && span.channels % groups == 0,
      "\(kernel) places \(dilation) apart span \(span.kernel), \(span.channels) in \(groups) groups"
    )
    self.span = span
    self.kernel = kernel
    self.dilation = dilation
    self.groups = groups
  }

  /// The number of elements that multiply the weights of one output.
  package var patchCount: Int { span.channels / groups * kernel * kernel }

  func withGeometry<Result>(
    outputs: Int, _ body: (UnsafePointer<ck_window>, UnsafePointer<ck_grouping>) -> Result
  ) -> Result {
    var window = span.geometry
    var grouping = ck_grouping(
      kernel: kernel, dilation: dilation, groups: groups, outputs: outputs)
    return body(&window, &grouping)
  }
}

/// Convolutions with groups and dilation, in single and double precision.
///
///     x [examples, height, width, channels], y [examples, outputHeight, outputWidth, outputs]
extension Scalar {
  /// Computes `y = x ⋆ W + bias` (nil: zeros), or `y += x ⋆ W`. The scratch memory is as large as
  /// W.
  package static func convolve(
    _ window: GroupedWindow, outputs: Int, examples: Int, _ x: UnsafePointer<Self>,
    weights: UnsafePointer<Self>, bias: UnsafePointer<Self>?, accumulates: Bool,
    scratch: UnsafeMutablePointer<Self>, into y: UnsafeMutablePointer<Self>
  ) {
    window.withGeometry(outputs: outputs) {
      kernels.pointee.groupedConvolve(
        $0, $1, examples, x, weights, bias, accumulates ? 1 : 0, scratch, y)
    }
  }

  /// Computes the adjoint dx = Wᵀ dy, or dx += Wᵀ dy. The scratch memory is as large as W.
  package static func convolveAdjoint(
    _ window: GroupedWindow, outputs: Int, examples: Int, _ dy: UnsafePointer<Self>,
    weights: UnsafePointer<Self>, accumulates: Bool, scratch: UnsafeMutablePointer<Self>,
    into dx: UnsafeMutablePointer<Self>
  ) {
    window.withGeometry(outputs: outputs) {
      kernels.pointee.groupedAdjoint(
        $0, $1, examples, dy, weights, accumulates ? 1 : 0, scratch, dx)
    }
  }

  /// Computes the derivative with respect to W, summed over the examples. The scratch memory is
  /// twice as large as W.
  package static func weightGradient(
    _ window: GroupedWindow, outputs: Int, examples: Int, _ x: UnsafePointer<Self>,
    _ dy: UnsafePointer<Self>, scratch: UnsafeMutablePointer<Self>,
    into gradient: UnsafeMutablePointer<Self>
  ) {
    window.withGeometry(outputs: outputs) {
      kernels.pointee.groupedGradient($0, $1, examples, x, dy, scratch, gradient)
    }
  }

  /// Writes the rows that a group's weights multiply, [examples·positions, patchCount], in the
  /// weights' order.
  package static func patches(
    _ window: GroupedWindow, ofGroup group: Int, examples: Int, _ x: UnsafePointer<Self>,
    into patches: UnsafeMutablePointer<Self>
  ) {
    window.withGeometry(outputs: window.groups) {
      kernels.pointee.groupedPatches($0, $1, group, examples, x, patches)
    }
  }
}
