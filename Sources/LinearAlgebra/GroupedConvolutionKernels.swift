import CKernels

/// A square window whose places lie `dilation` pixels apart, over an image whose channels are in
/// groups.
///
/// Outputs of group g see the channels of group g alone. W [outputs, channels/groups, kernel,
/// kernel].
package struct GroupedWindow: Sendable, Equatable {
  /// All that the window spans, (kernel − 1)·dilation + 1 pixels each way.
  package let span: SlidingWindow
  /// The window has kernel×kernel places.
  package let kernel: Int
  /// Pixels from one place to the next, on both axes.
  package let dilation: Int
  /// Of the channels, and of the outputs.
  package let groups: Int

  /// - Parameters:
  ///   - span: the window with the size of all that it spans.
  ///   - groups: as many divide its channels.
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

  /// Elements that multiply the weights of one output.
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

/// Convolutions in groups and with dilation, for single and double precision.
///
///     x [examples, height, width, channels], y [examples, outputHeight, outputWidth, outputs]
extension Scalar {
  /// `y = x ⋆ W + bias`, no bias: zeros; or `y += x ⋆ W`. The scratch memory is as large as W.
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

  /// The adjoint: dx = Wᵀ dy, or dx += Wᵀ dy. The scratch memory is as large as W.
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

  /// The derivative by W, summed over the examples. The scratch memory is twice as large as W.
  package static func weightGradient(
    _ window: GroupedWindow, outputs: Int, examples: Int, _ x: UnsafePointer<Self>,
    _ dy: UnsafePointer<Self>, scratch: UnsafeMutablePointer<Self>,
    into gradient: UnsafeMutablePointer<Self>
  ) {
    window.withGeometry(outputs: outputs) {
      kernels.pointee.groupedGradient($0, $1, examples, x, dy, scratch, gradient)
    }
  }

  /// The rows that a group's weights multiply, [examples·positions, patchCount], in their order.
  package static func patches(
    _ window: GroupedWindow, ofGroup group: Int, examples: Int, _ x: UnsafePointer<Self>,
    into patches: UnsafeMutablePointer<Self>
  ) {
    window.withGeometry(outputs: window.groups) {
      kernels.pointee.groupedPatches($0, $1, group, examples, x, patches)
    }
  }
}
