import LinearAlgebra

/// y = f(x), element by element.
struct ActivationLayer<Element: Scalar>: Layer {
  let activation: Activation
  let outputCount: Int

  var outputPlace: OutputPlace { activation.derivesFromOutput ? .overInput : .own }
  var keepsOutput: Bool { activation.derivesFromOutput }

  func forward(
    _ call: LayerCall<Element>, _ x: UnsafePointer<Element>, into y: UnsafeMutablePointer<Element>
  ) {
    Element.activate(activation, count: call.examples * outputCount, x, into: y)
  }

  func tangent(
    _ call: LayerCall<Element>, x: UnsafePointer<Element>, y: UnsafePointer<Element>,
    _ tangents: LayerTangents<Element>
  ) {
    Element.activationGradient(
      activation, count: call.examples * outputCount,
      kept: activation.derivesFromOutput ? y : x, tangents.x!, into: tangents.y)
  }

  func backward(
    _ call: LayerCall<Element>, x: UnsafePointer<Element>, y: UnsafePointer<Element>,
    _ places: GradientPlaces<Element>, gradient: UnsafeMutablePointer<Element>?
  ) {
    guard let dx = places.dx else { return }
    Element.activationGradient(
      activation, count: call.examples * outputCount,
      kept: activation.derivesFromOutput ? y : x, places.dy, into: dx)
  }
}
