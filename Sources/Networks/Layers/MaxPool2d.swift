import LinearAlgebra

/// Describes a max pool: the largest value of each window, the first among equals.
struct MaxPool2d: PoolingKind {
  let kernel: Int
  let stride: Int
  let padding: Int

  static let names = ["max-pool2d"]
  static let aliases = ["max-pool"]

  func steps<Element: Scalar>(for shape: [Int], ordinal: Int) -> [LayerStep<Element>] {
    [LayerStep(layer: MaxPoolingLayer<Element>(window: window(over: shape)), tensors: 0..<0)]
  }
}

extension LayerDescription {
  /// Returns a max pool; without a stride the windows lie side by side.
  public static func maxPool2d(
    kernel: Int, stride: Int? = nil, padding: Int = 0
  ) -> LayerDescription {
    LayerDescription(MaxPool2d(kernel: kernel, stride: stride ?? kernel, padding: padding))
  }
}

/// Computes the largest value of each window.
struct MaxPoolingLayer<Element: Scalar>: FactorlessLayer {
  let window: SlidingWindow

  var outputCount: Int { window.positionCount * window.channels }
  var outputPlace: OutputPlace { .separate }
  var choiceCount: Int { outputCount }

  func forward(
    _ call: LayerCall<Element>, _ x: UnsafePointer<Element>, into y: UnsafeMutablePointer<Element>
  ) {
    Element.maxPool(window, examples: call.examples, of: x, into: y, choices: call.choices)
  }

  func tangent(
    _ call: LayerCall<Element>, x: UnsafePointer<Element>, y: UnsafePointer<Element>,
    _ tangents: LayerTangents<Element>
  ) {
    Element.maxPoolTangent(
      window, examples: call.examples, tangents.x!, choices: call.choices, into: tangents.y)
  }

  func backward(
    _ call: LayerCall<Element>, x: UnsafePointer<Element>, y: UnsafePointer<Element>,
    _ places: GradientPlaces<Element>, gradient: UnsafeMutablePointer<Element>?
  ) {
    guard let dx = places.dx else { return }
    Element.maxPoolGradient(
      window, examples: call.examples, places.dy, choices: call.choices, into: dx)
  }
}
