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

/// The mean of each window.
struct AveragePoolingLayer<Element: Scalar>: LinearMapLayer {
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
    _ places: GradientPlaces<Element>, gradient: UnsafeMutablePointer<Element>?
  ) {
    guard let dx = places.dx else { return }
    Element.averagePoolGradient(window, examples: call.examples, places.dy, into: dx)
  }
}

/// The mean of each feature over the positions: x [n, positions, features], y [n, features].
struct GlobalAveragePoolingLayer<Element: Scalar>: LinearMapLayer {
  let positions: Int
  let outputCount: Int

  var outputPlace: OutputPlace { .own }

  func forward(
    _ call: LayerCall<Element>, _ x: UnsafePointer<Element>, into y: UnsafeMutablePointer<Element>
  ) {
    Element.rowMeans(count: call.examples, rows: positions, columns: outputCount, of: x, into: y)
  }

  func backward(
    _ call: LayerCall<Element>, x: UnsafePointer<Element>, y: UnsafePointer<Element>,
    _ places: GradientPlaces<Element>, gradient: UnsafeMutablePointer<Element>?
  ) {
    guard let dx = places.dx else { return }
    Element.rowMeansGradient(
      count: call.examples, rows: positions, columns: outputCount, places.dy, into: dx)
  }
}

/// The same numbers in another shape: flat, or the positions of an image as a sequence.
struct ViewLayer<Element: Scalar>: LinearMapLayer {
  let outputCount: Int

  var outputPlace: OutputPlace { .sameAsInput }

  func forward(
    _ call: LayerCall<Element>, _ x: UnsafePointer<Element>, into y: UnsafeMutablePointer<Element>
  ) {}

  func backward(
    _ call: LayerCall<Element>, x: UnsafePointer<Element>, y: UnsafePointer<Element>,
    _ places: GradientPlaces<Element>, gradient: UnsafeMutablePointer<Element>?
  ) {}
}
