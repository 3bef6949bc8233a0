import LinearAlgebra

/// Describes a reshape to one dimension, in the order of the indices: channel, row, column.
struct Flatten: ParameterlessKind {
  static let names = ["flatten"]
  var input: InputForm { .channelsFirst }

  func outputShape(of shape: [Int], from giver: String) throws(LayerProblem) -> [Int] {
    [shape.reduce(1, *)]
  }

  func curvature(for shape: [Int]) -> LayerForm { .none }

  func steps<Element: Scalar>(for shape: [Int], ordinal: Int) -> [LayerStep<Element>] {
    [LayerStep(layer: ViewLayer<Element>(outputCount: shape.reduce(1, *)), tensors: 0..<0)]
  }
}

extension Flatten {
  init(named name: String, _ fields: inout LayerFields) throws(NetworkDescriptionError) {}
}

extension LayerDescription {
  /// Reshapes any shape to one dimension.
  public static let flatten = LayerDescription(Flatten())
}

/// Passes on the same numbers in another shape: flat, or an image's positions as a sequence.
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
