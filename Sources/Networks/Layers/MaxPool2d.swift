import LinearAlgebra

/// The largest value of each window, of equals the first.
struct MaxPool2d: ParameterlessKind {
  let kernel: Int
  let stride: Int
  let padding: Int

  static let names = ["max-pool2d"]
  static let aliases = ["max-pool"]
  var input: InputForm { .channelsLast }

  func outputShape(of shape: [Int], from giver: String) throws(LayerProblem) -> [Int] {
    try LayerProblem.checkImage(shape, from: giver)
    let positions = try LayerProblem.positions(
      over: shape, giver, kernel: kernel, stride: stride, padding: padding)
    try LayerProblem.check(
      padding <= kernel / 2, "padding \(padding) is more than half of kernel \(kernel)")
    return [shape[0]] + positions
  }

  func curvature(for shape: [Int]) -> LayerForm { LayerForm(isPooling: true) }

  func steps<Element: Scalar>(for shape: [Int], ordinal: Int) -> [LayerStep<Element>] {
    let window = SlidingWindow(over: shape, kernel: kernel, stride: stride, padding: padding)
    return [LayerStep(layer: MaxPoolingLayer<Element>(window: window), tensors: 0..<0)]
  }
}

extension MaxPool2d {
  init(named name: String, _ fields: inout LayerFields) throws(NetworkDescriptionError) {
    kernel = try fields.size("kernel")
    stride = try fields.size("stride", default: kernel)
    padding = try fields.size("padding", default: 0)
  }
}

extension LayerDescription {
  /// Windows side by side where there is no stride.
  public static func maxPool2d(
    kernel: Int, stride: Int? = nil, padding: Int = 0
  ) -> LayerDescription {
    LayerDescription(MaxPool2d(kernel: kernel, stride: stride ?? kernel, padding: padding))
  }
}

/// The largest value of each window.
struct MaxPoolingLayer<Element: Scalar>: FactorlessLayer {
  let window: SlidingWindow

  var outputCount: Int { window.positionCount * window.channels }
  var outputPlace: OutputPlace { .own }
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
