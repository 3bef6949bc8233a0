import LinearAlgebra

/// Describes a layer norm: γ (x − mean)/√(variance + ε) + β with the statistics of the last
/// dimension.
struct LayerNorm: NodeKind {
  let epsilon: Double

  static let names = ["layer-norm"]
  static let isInitializable = false
  var input: InputForm { .any }

  func outputShape(of shape: [Int], from giver: String) throws(LayerProblem) -> [Int] {
    try LayerProblem.checkRows(shape, from: giver)
    try LayerProblem.checkEpsilon(epsilon)
    return shape
  }

  func parameters(for shape: [Int], _ initialization: Initialization?) -> [LayerTensor] {
    LayerTensor.scaleAndShift(shape.last!)
  }

  func state(for shape: [Int]) -> RunningStatistics? { nil }

  func curvature(for shape: [Int]) -> LayerForm { LayerForm(block: 0..<2) }

  func multiplyAddsPerWeight(for shape: [Int], giving output: [Int]) -> Int { 0 }

  func steps<Element: Scalar>(for shape: [Int], ordinal: Int) -> [LayerStep<Element>] {
    let layer = LayerNormLayer<Element>(
      positions: shape.dropLast().reduce(1, *), width: shape.last!, epsilon: epsilon)
    return [LayerStep(layer: layer, tensors: 0..<2)]
  }
}

extension LayerNorm {
  init(named name: String, _ fields: inout LayerFields) throws(NetworkDescriptionError) {
    epsilon = try fields.number("epsilon", default: 1e-5)
  }
}

extension LayerDescription {
  /// Layer norm with PyTorch's ε 1e-5.
  public static let layerNorm = layerNorm()

  /// Returns a layer norm: γ (x − mean)/√(variance + ε) + β with the statistics of the last
  /// dimension.
  public static func layerNorm(epsilon: Double = 1e-5) -> LayerDescription {
    LayerDescription(LayerNorm(epsilon: epsilon))
  }
}

/// Computes y = γ (x − mean)/√(variance + ε) + β with the statistics of each row of x
/// [n·positions, width].
///
/// Ba, Kiros and Hinton, 2016.
struct LayerNormLayer<Element: Scalar>: Layer {
  let positions: Int
  let width: Int
  let epsilon: Double

  var outputCount: Int { positions * width }
  var outputPlace: OutputPlace { .separate }
  var canAccumulate: Bool { true }
  /// The mean and 1/√(variance + ε) of each row.
  var keptCount: Int { 2 * positions }
  /// The parameters' gradient, if the caller does not need it.
  var scratchCount: Int { 2 * width }
  var statisticsCount: Int { 2 * width }

  func forward(
    _ call: LayerCall<Element>, _ x: UnsafePointer<Element>, into y: UnsafeMutablePointer<Element>
  ) {
    Element.layerNorm(
      rows: call.examples * positions, width: width, epsilon: Element(epsilon),
      weight: call.parameters, bias: call.parameters + width, x, into: y, statistics: call.kept)
  }

  func tangent(
    _ call: LayerCall<Element>, x: UnsafePointer<Element>, y: UnsafePointer<Element>,
    _ tangents: LayerTangents<Element>
  ) {
    Element.layerNormTangent(
      rows: call.examples * positions, width: width, weight: call.parameters, x,
      statistics: call.kept, tangents.x, weightTangent: tangents.parameters,
      biasTangent: tangents.parameters + width, into: tangents.y)
  }

  func backward(
    _ call: LayerCall<Element>, x: UnsafePointer<Element>, y: UnsafePointer<Element>,
    _ places: GradientPlaces<Element>, gradient: UnsafeMutablePointer<Element>?
  ) {
    let gradient = gradient ?? call.scratch
    Element.layerNormGradient(
      rows: call.examples * positions, width: width, weight: call.parameters, x,
      statistics: call.kept, places.dy, weightGradient: gradient, biasGradient: gradient + width,
      accumulates: places.accumulates, into: places.dx)
  }

  func collect(into view: LayerView<Element>) {
    view.block(count: 2 * width) { dy, gradients in
      for example in 0..<view.call.examples {
        let (rows, gradient) = (example * outputCount, gradients + example * 2 * width)
        Element.layerNormGradient(
          rows: positions, width: width, weight: view.call.parameters, view.x + rows,
          statistics: view.call.kept + example * 2 * positions, dy + rows,
          weightGradient: gradient, biasGradient: gradient + width, accumulates: false, into: nil)
      }
    }
  }
}
