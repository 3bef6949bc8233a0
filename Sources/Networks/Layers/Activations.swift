import LinearAlgebra

/// Describes an activation: y = f(x), element by element.
struct ElementwiseActivation: ParameterlessKind {
  let activation: Activation

  static let names = Activation.allCases.map(\.rawValue)
  var name: String { activation.rawValue }
  var recorded: (name: String, fields: [(label: String?, value: Any)]) {
    ("activation", [(nil, activation)])
  }
  var input: InputForm { .any }

  func outputShape(of shape: [Int], from giver: String) throws(LayerProblem) -> [Int] { shape }

  func curvature(for shape: [Int]) -> LayerForm { .none }

  func steps<Element: Scalar>(for shape: [Int], ordinal: Int) -> [LayerStep<Element>] {
    let layer = ActivationLayer<Element>(
      activation: activation, outputCount: shape.reduce(1, *))
    return [LayerStep(layer: layer, tensors: 0..<0)]
  }
}

extension ElementwiseActivation {
  init(named name: String, _ fields: inout LayerFields) throws(NetworkDescriptionError) {
    activation = Activation(rawValue: name)!
  }
}

extension LayerDescription {
  /// max(x, 0).
  public static let relu = LayerDescription(ElementwiseActivation(activation: .relu))
  /// The hyperbolic tangent.
  public static let tanh = LayerDescription(ElementwiseActivation(activation: .tanh))
  /// 1/(1 + exp(−x)).
  public static let sigmoid = LayerDescription(ElementwiseActivation(activation: .sigmoid))
  /// x·Φ(x), exact.
  public static let gelu = LayerDescription(ElementwiseActivation(activation: .gelu))
  /// x/(1 + exp(−x)), PyTorch's SiLU.
  public static let silu = LayerDescription(ElementwiseActivation(activation: .silu))
}

/// Computes y = f(x), element by element.
struct ActivationLayer<Element: Scalar>: FactorlessLayer {
  let activation: Activation
  let outputCount: Int

  var outputPlace: OutputPlace { activation.derivesFromOutput ? .overInput : .separate }
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
