import LinearAlgebra

/// Describes an average pool: the mean of each window, including zeros around the image.
struct AveragePool2d: PoolingKind {
  let kernel: Int
  let stride: Int
  let padding: Int

  static let names = ["average-pool2d"]
  static let aliases = ["average-pool"]

  func steps<Element: Scalar>(for shape: [Int], ordinal: Int) -> [LayerStep<Element>] {
    [LayerStep(layer: AveragePoolingLayer<Element>(window: window(over: shape)), tensors: 0..<0)]
  }
}

extension LayerDescription {
  /// Returns an average pool; without a stride the windows lie side by side.
  public static func averagePool2d(
    kernel: Int, stride: Int? = nil, padding: Int = 0
  ) -> LayerDescription {
    LayerDescription(AveragePool2d(kernel: kernel, stride: stride ?? kernel, padding: padding))
  }
}

/// Computes the mean of each window.
struct AveragePoolingLayer<Element: Scalar>: LinearMapLayer {
  let window: SlidingWindow

  var outputCount: Int { window.positionCount * window.channels }
  var outputPlace: OutputPlace { .separate }

  func forward(
    _ call: LayerCall<Element>, _ x: UnsafePointer<Element>, into y: UnsafeMutablePointer<Element>
  ) {
    Element.averagePool(window, examples: call.examples, of: x, into: y)
  }

  func backward(
    _ call: LayerCall<Element>, x: UnsafePointer<Element>, y: UnsafePointer<Element>,
    _ places: GradientPlaces<Element>, gradient: UnsafeMutablePointer<Element>?
  ) {
    guard let dx = places.dx else { return }
    Element.averagePoolGradient(window, examples: call.examples, places.dy, into: dx)
  }
}
