import CKernels

/// A square window whose places lie `dilation` pixels apart, over an image whose channels are in
/// groups.
///
/// Outputs of group g see the channels of group g alone. W [outputs, channels/groups, kernel, kernel].
public struct GroupedWindow: Sendable, Equatable {
  /// All that the window spans, (kernel − 1)·dilation + 1 pixels each way.
  public let span: SlidingWindow
  /// The window has kernel×kernel places.
  public let kernel: Int
  /// Pixels from one place to the next, on both axes.
  public let dilation: Int
  /// Of the channels, and of the outputs.
  public let groups: Int

  /// - Parameters:
  ///   - span: the window with the size of all that it spans.
  ///   - groups: as many divide its channels.
  public init(span: SlidingWindow, kernel: Int, dilation: Int, groups: Int) {
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
  public var patchCount: Int { span.channels / groups * kernel * kernel }

  func withGeometry<Result>(
    outputs: Int, _ body: (UnsafePointer<ck_window>, UnsafePointer<ck_grouping>) -> Result
  ) -> Result {
    var window = span.geometry
    var grouping = ck_grouping(
      kernel: kernel, dilation: dilation, groups: groups, outputs: outputs)
    return body(&window, &grouping)
  }
}

/// The C functions of one scalar.
public struct GroupedConvolutions<Element> {
  typealias In = UnsafePointer<Element>
  typealias Out = UnsafeMutablePointer<Element>
  typealias Window = UnsafePointer<ck_window>
  typealias Grouping = UnsafePointer<ck_grouping>

  let convolve: (Window, Grouping, Int, In, In, In?, Int32, Out, Out) -> Void
  let adjoint: (Window, Grouping, Int, In, In, Int32, Out, Out) -> Void
  let gradient: (Window, Grouping, Int, In, In, Out, Out) -> Void
  let patches: (Window, Grouping, Int, Int, In, Out) -> Void
}

/// Convolutions in groups and with dilation, for single and double precision.
///
///     x [examples, height, width, channels], y [examples, outputHeight, outputWidth, outputs]
public protocol GroupedConvolutionKernels {
  /// Of this scalar.
  static var groupedConvolutions: GroupedConvolutions<Self> { get }
}

extension Float: GroupedConvolutionKernels {
  public static var groupedConvolutions: GroupedConvolutions<Float> {
    GroupedConvolutions(
      convolve: ck_grouped_convolve_f32, adjoint: ck_grouped_adjoint_f32,
      gradient: ck_grouped_gradient_f32, patches: ck_grouped_patches_f32)
  }
}

extension Double: GroupedConvolutionKernels {
  public static var groupedConvolutions: GroupedConvolutions<Double> {
    GroupedConvolutions(
      convolve: ck_grouped_convolve_f64, adjoint: ck_grouped_adjoint_f64,
      gradient: ck_grouped_gradient_f64, patches: ck_grouped_patches_f64)
  }
}

extension Scalar {
  /// `y = x ⋆ W + bias`, no bias: zeros; or `y += x ⋆ W`. The scratch memory is as large as W.
  package static func convolve(
    _ window: GroupedWindow, outputs: Int, examples: Int, _ x: UnsafePointer<Self>,
    weights: UnsafePointer<Self>, bias: UnsafePointer<Self>?, accumulates: Bool,
    scratch: UnsafeMutablePointer<Self>, into y: UnsafeMutablePointer<Self>
  ) {
    window.withGeometry(outputs: outputs) {
      groupedConvolutions.convolve(
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
      groupedConvolutions.adjoint(
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
      groupedConvolutions.gradient($0, $1, examples, x, dy, scratch, gradient)
    }
  }

  /// The rows that a group's weights multiply, [examples·positions, patchCount], in their order.
  package static func patches(
    _ window: GroupedWindow, ofGroup group: Int, examples: Int, _ x: UnsafePointer<Self>,
    into patches: UnsafeMutablePointer<Self>
  ) {
    window.withGeometry(outputs: window.groups) {
      groupedConvolutions.patches($0, $1, group, examples, x, patches)
    }
  }
}
