import LinearAlgebra

/// Describes a position embedding: x + W, with W [positions, features].
struct PositionEmbedding: NodeKind {
  static let names = ["position-embedding"]
  static let isInitializable = true
  var input: InputForm { .any }

  func outputShape(of shape: [Int], from giver: String) throws(LayerProblem) -> [Int] {
    try LayerProblem.check(
      shape.count == 2, LayerProblem.expected("[positions, features]", got: shape, from: giver))
    return shape
  }

  func parameters(for shape: [Int], _ initialization: Initialization?) -> [LayerTensor] {
    [LayerTensor.table(shape, initialization, or: .normal(std: 0.02))]
  }

  func state(for shape: [Int]) -> RunningStatistics? { nil }

  func curvature(for shape: [Int]) -> LayerForm { .none }

  func multiplyAddsPerWeight(for shape: [Int], giving output: [Int]) -> Int { 0 }

  func steps<Element: Scalar>(for shape: [Int], ordinal: Int) -> [LayerStep<Element>] {
    let layer = PositionEmbeddingLayer<Element>(outputCount: shape.reduce(1, *))
    return [LayerStep(layer: layer, tensors: 0..<1)]
  }
}

extension PositionEmbedding {
  init(named name: String, _ fields: inout LayerFields) throws(NetworkDescriptionError) {}
}

extension LayerDescription {
  /// Position embedding: x + W, with W [positions, features].
  public static let positionEmbedding = LayerDescription(PositionEmbedding())
}

/// Computes y = x + W, x [n, positions·width], W [positions·width].
struct PositionEmbeddingLayer<Element: Scalar>: FactorlessLayer {
  let outputCount: Int

  var outputPlace: OutputPlace { .overInput }

  func forward(
    _ call: LayerCall<Element>, _ x: UnsafePointer<Element>, into y: UnsafeMutablePointer<Element>
  ) {
    if UnsafePointer(y) != x { y.update(from: x, count: call.examples * outputCount) }
    Element.addBias(rows: call.examples, columns: outputCount, bias: call.parameters, to: y)
  }

  func tangent(
    _ call: LayerCall<Element>, x: UnsafePointer<Element>, y: UnsafePointer<Element>,
    _ tangents: LayerTangents<Element>
  ) {
    let count = call.examples * outputCount
    if let dx = tangents.x {
      if dx != UnsafePointer(tangents.y) { tangents.y.update(from: dx, count: count) }
    } else {
      tangents.y.update(repeating: 0, count: count)
    }
    Element.addBias(
      rows: call.examples, columns: outputCount, bias: tangents.parameters, to: tangents.y)
  }

  func backward(
    _ call: LayerCall<Element>, x: UnsafePointer<Element>, y: UnsafePointer<Element>,
    _ places: GradientPlaces<Element>, gradient: UnsafeMutablePointer<Element>?
  ) {
    if let gradient {
      Element.columnSums(rows: call.examples, columns: outputCount, of: places.dy, into: gradient)
    }
    if let dx = places.dx, UnsafePointer(dx) != places.dy {
      dx.update(from: places.dy, count: call.examples * outputCount)
    }
  }
}
