import LinearAlgebra

/// The largest value of each window.
struct MaxPoolingLayer<Element: Scalar>: Layer {
  let window: SlidingWindow

  var outputCount: Int { window.positionCount * window.channels }
  var outputPlace: OutputPlace { .own }
  var choiceCount: Int { outputCount }

  func forward(
    _ call: LayerCall<Element>, _ x: UnsafePointer<Element>, into y: UnsafeMutablePointer<Element>
  ) {
    Element.maxPool(window, examples: call.examples, of: x, into: y, choices: call.choices)
  }

  func backward(
    _ call: LayerCall<Element>, x: UnsafePointer<Element>, y: UnsafePointer<Element>,
    dy: UnsafePointer<Element>, gradient: UnsafeMutablePointer<Element>,
    dx: UnsafeMutablePointer<Element>?
  ) {
    guard let dx else { return }
    Element.maxPoolGradient(window, examples: call.examples, dy, choices: call.choices, into: dx)
  }
}

/// The mean of each window.
struct AveragePoolingLayer<Element: Scalar>: Layer {
  let window: SlidingWindow

  var outputCount: Int { window.positionCount * window.channels }
  var outputPlace: OutputPlace { .own }

  func forward(
    _ call: LayerCall<Element>, _ x: UnsafePointer<Element>, into y: UnsafeMutablePointer<Element>
  ) {
    Element.averagePool(window, examples: call.examples, of: x, into: y)
  }

  func backward(
    _ call: LayerCall<Element>, x: UnsafePointer<Element>, y: UnsafePointer<Element>,
    dy: UnsafePointer<Element>, gradient: UnsafeMutablePointer<Element>,
    dx: UnsafeMutablePointer<Element>?
  ) {
    guard let dx else { return }
    Element.averagePoolGradient(window, examples: call.examples, dy, into: dx)
  }
}
