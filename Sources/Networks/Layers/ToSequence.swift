import LinearAlgebra

/// Describes the map from [channels, height, width] to [height·width, channels].
struct ToSequence: ParameterlessKind {
  static let names = ["to-sequence"]
  var input: InputForm { .channelsLast }

  func outputShape(of shape: [Int], from giver: String) throws(LayerProblem) -> [Int] {
    try LayerProblem.checkImage(shape, from: giver)
    return [shape[1] * shape[2], shape[0]]
  }

  func curvature(for shape: [Int]) -> LayerForm { .none }

  func steps<Element: Scalar>(for shape: [Int], ordinal: Int) -> [LayerStep<Element>] {
    [LayerStep(layer: ViewLayer<Element>(outputCount: shape.reduce(1, *)), tensors: 0..<0)]
  }
}

extension ToSequence {
  init(named name: String, _ fields: inout LayerFields) throws(NetworkDescriptionError) {}
}

extension LayerDescription {
  /// Maps [channels, height, width] to [height·width, channels].
  public static let toSequence = LayerDescription(ToSequence())
}
