import LinearAlgebra

/// Describes a global average pool: the mean of each channel over an image, or of each feature over
/// a sequence.
struct GlobalAveragePool: ParameterlessKind {
  static let names = ["global-average-pool"]
  var input: InputForm { .channelsLast }

  func outputShape(of shape: [Int], from giver: String) throws(LayerProblem) -> [Int] {
    try LayerProblem.check(
      shape.count >= 2,
      LayerProblem.expected(
        "[channels, height, width] or [positions, features]", got: shape, from: giver))
    return [shape.count == 3 ? shape[0] : shape.last!]
  }

  func curvature(for shape: [Int]) -> LayerForm { LayerForm(isPooling: true) }

  func steps<Element: Scalar>(for shape: [Int], ordinal: Int) -> [LayerStep<Element>] {
    let features = shape.count == 3 ? shape[0] : shape[1]
    let layer = GlobalAveragePoolingLayer<Element>(
      positions: shape.reduce(1, *) / features, outputCount: features)
    return [LayerStep(layer: layer, tensors: 0..<0)]
  }
}

extension GlobalAveragePool {
  init(named name: String, _ fields: inout LayerFields) throws(NetworkDescriptionError) {}
}

extension LayerDescription {
  /// Maps [channels, height, width] to [channels], and [positions, features] to [features].
  public static let globalAveragePool = LayerDescription(GlobalAveragePool())
}

/// Computes the mean of each feature over the positions: x [n, positions, features],
/// y [n, features].
struct GlobalAveragePoolingLayer<Element: Scalar>: LinearMapLayer {
  let positions: Int
  let outputCount: Int

  var outputPlace: OutputPlace { .separate }

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
