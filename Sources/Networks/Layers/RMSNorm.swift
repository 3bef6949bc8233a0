import LinearAlgebra

/// Describes an RMS norm: γ x/√(mean x² + ε) with the mean over the last dimension.
struct RMSNorm: NodeKind {
  /// PyTorch's ε for single precision, 2⁻²³.
  static let standardEpsilon = Double(Float.ulpOfOne)

  let epsilon: Double

  static let names = ["rms-norm"]
  static let isInitializable = false
  var input: InputForm { .any }

  func outputShape(of shape: [Int], from giver: String) throws(LayerProblem) -> [Int] {
    try LayerProblem.checkRows(shape, from: giver)
    try LayerProblem.checkEpsilon(epsilon)
    return shape
  }

  func parameters(for shape: [Int], _ initialization: Initialization?) -> [LayerTensor] {
    [LayerTensor(name: "weight", shape: [shape.last!], initialValues: .constant(1))]
  }

  func state(for shape: [Int]) -> RunningStatistics? { nil }

  func curvature(for shape: [Int]) -> LayerForm { LayerForm(block: 0..<1) }

  func multiplyAddsPerWeight(for shape: [Int], giving output: [Int]) -> Int { 0 }

  func steps<Element: Scalar>(for shape: [Int], ordinal: Int) -> [LayerStep<Element>] {
    let layer = RMSNormLayer<Element>(
      positions: shape.dropLast().reduce(1, *), width: shape.last!, epsilon: epsilon)
    return [LayerStep(layer: layer, tensors: 0..<1)]
  }
}

extension RMSNorm {
  init(named name: String, _ fields: inout LayerFields) throws(NetworkDescriptionError) {
    epsilon = try fields.number("epsilon", default: Self.standardEpsilon)
  }
}

extension LayerDescription {
  /// RMS norm with PyTorch's ε for single precision, 2⁻²³.
  public static let rmsNorm = rmsNorm(epsilon: RMSNorm.standardEpsilon)

  /// Returns an RMS norm: γ x/√(mean x² + ε) with the mean over the last dimension.
  public static func rmsNorm(epsilon: Double) -> LayerDescription {
    LayerDescription(RMSNorm(epsilon: epsilon))
  }
}

/// Computes y = γ x/√(mean x² + ε) with the mean of each row of x [n·positions, width].
///
/// Zhang and Sennrich, 2019.
struct RMSNormLayer<Element: Scalar>: Layer {
  let positions: Int
  let width: Int
  let epsilon: Double

  var outputCount: Int { positions * width }
  var outputPlace: OutputPlace { .separate }
  var canAccumulate: Bool { true }
  /// 1/√(mean x² + ε) of each row.
  var keptCount: Int { positions }
  /// The weight's gradient, if the caller does not need it.
  var scratchCount: Int { width }

  func forward(
    _ call: LayerCall<Element>, _ x: UnsafePointer<Element>, into y: UnsafeMutablePointer<Element>
  ) {
    Element.rmsNorm(
      rows: call.examples * positions, width: width, epsilon: Element(epsilon),
      weight: call.parameters, x, into: y, statistics: call.kept)
  }

  func tangent(
    _ call: LayerCall<Element>, x: UnsafePointer<Element>, y: UnsafePointer<Element>,
    _ tangents: LayerTangents<Element>
  ) {
    Element.rmsNormTangent(
      rows: call.examples * positions, width: width, weight: call.parameters, x,
      statistics: call.kept, tangents.x, weightTangent: tangents.parameters, into: tangents.y)
  }

  func backward(
    _ call: LayerCall<Element>, x: UnsafePointer<Element>, y: UnsafePointer<Element>,
    _ places: GradientPlaces<Element>, gradient: UnsafeMutablePointer<Element>?
  ) {
    Element.rmsNormGradient(
      rows: call.examples * positions, width: width, weight: call.parameters, x,
      statistics: call.kept, places.dy, weightGradient: gradient ?? call.scratch,
      accumulates: places.accumulates, into: places.dx)
  }

  var statisticsCount: Int { width }

  func collect(into view: LayerView<Element>) {
    view.block(count: width) { dy, gradients in
      for example in 0..<view.call.examples {
        let rows = example * outputCount
        Element.rmsNormGradient(
          rows: positions, width: width, weight: view.call.parameters, view.x + rows,
          statistics: view.call.kept + example * positions, dy + rows,
          weightGradient: gradients + example * width, accumulates: false, into: nil)
      }
    }
  }
}
