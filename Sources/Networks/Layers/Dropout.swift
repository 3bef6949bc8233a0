import LinearAlgebra

/// Describes a layer that zeroes elements with `probability` in training and divides the others by
/// 1 − probability.
struct Dropout: ParameterlessKind {
  let probability: Double

  static let names = ["dropout"]
  var input: InputForm { .any }

  func outputShape(of shape: [Int], from giver: String) throws(LayerProblem) -> [Int] {
    try LayerProblem.check(
      probability >= 0 && probability < 1, "probability must be in [0, 1), got \(probability)")
    return shape
  }

  func curvature(for shape: [Int]) -> LayerForm { .none }

  func steps<Element: Scalar>(for shape: [Int], ordinal: Int) -> [LayerStep<Element>] {
    let layer = DropoutLayer<Element>(
      probability: probability, outputCount: shape.reduce(1, *), index: ordinal)
    return [LayerStep(layer: layer, tensors: 0..<0)]
  }
}

extension Dropout {
  init(named name: String, _ fields: inout LayerFields) throws(NetworkDescriptionError) {
    probability = try fields.number("probability", default: 0.5)
  }
}

extension LayerDescription {
  /// Returns a layer that zeroes elements with `probability` in training and divides the others by
  /// 1 − probability.
  public static func dropout(_ probability: Double) -> LayerDescription {
    LayerDescription(Dropout(probability: probability))
  }
}

/// Zeroes elements with `probability` in training and divides the others by 1 − probability.
///
/// Backward draws the zeroed elements again, so they take no memory. Srivastava et al., 2014.
struct DropoutLayer<Element: Scalar>: LinearMapLayer {
  let probability: Double
  let outputCount: Int
  /// Index among the network's dropouts.
  let index: Int

  var outputPlace: OutputPlace { .overInput }

  func forward(
    _ call: LayerCall<Element>, _ x: UnsafePointer<Element>, into y: UnsafeMutablePointer<Element>
  ) {
    drop(call, x, into: y)
  }

  func backward(
    _ call: LayerCall<Element>, x: UnsafePointer<Element>, y: UnsafePointer<Element>,
    _ places: GradientPlaces<Element>, gradient: UnsafeMutablePointer<Element>?
  ) {
    if let dx = places.dx { drop(call, places.dy, into: dx) }
  }

  private func drop(
    _ call: LayerCall<Element>, _ x: UnsafePointer<Element>, into y: UnsafeMutablePointer<Element>
  ) {
    guard let training = call.training, probability > 0 else {
      if UnsafePointer(y) != x { y.update(from: x, count: call.examples * outputCount) }
      return
    }
    for example in 0..<call.examples {
      // Streams from 2⁶³ on belong to dropouts.
      Element.dropout(
        count: outputCount, probability: probability, seed: training.seed,
        stream: 1 << 63 | UInt64(training.step) << 20 | UInt64(index),
        first: (training.firstExample + example) * ((outputCount + 3) & ~3),
        x + example * outputCount, into: y + example * outputCount)
    }
  }
}
