import LinearAlgebra

/// Describes a linear layer: y = x Wᵀ + b over the last dimension of x, with W [outputs, inputs].
struct Linear: NodeKind {
  let inputs: Int
  let outputs: Int
  let bias: Bool

  static let names = ["linear"]
  static let isInitializable = true
  var input: InputForm { .any }

  func outputShape(of shape: [Int], from giver: String) throws(LayerProblem) -> [Int] {
    try LayerProblem.checkPositive(("in", inputs), ("out", outputs))
    try LayerProblem.check(
      shape.count <= 2,
      "expects one dimension of \(inputs) inputs, \(giver) gives \(shape); add flatten before")
    try LayerProblem.check(
      shape.last == inputs, "expects \(inputs) inputs, \(giver) gives \(shape.last!)")
    return shape.dropLast() + [outputs]
  }

  func parameters(for shape: [Int], _ initialization: Initialization?) -> [LayerTensor] {
    LayerTensor.affine([outputs, inputs], hasBias: bias, initialization)
  }

  func state(for shape: [Int]) -> RunningStatistics? { nil }

  func curvature(for shape: [Int]) -> LayerForm {
    LayerForm(weights: [
      KroneckerForm(
        inputs: inputs, outputs: outputs, hasBias: bias, positions: positions(of: shape))
    ])
  }

  func multiplyAddsPerWeight(for shape: [Int], giving output: [Int]) -> Int {
    positions(of: shape)
  }

  func steps<Element: Scalar>(for shape: [Int], ordinal: Int) -> [LayerStep<Element>] {
    let layer = LinearLayer<Element>(
      positions: positions(of: shape), inputs: inputs, outputs: outputs, hasBias: bias)
    return [LayerStep(layer: layer, tensors: 0..<(bias ? 2 : 1))]
  }

  private func positions(of shape: [Int]) -> Int { shape.dropLast().reduce(1, *) }
}

extension Linear {
  init(named name: String, _ fields: inout LayerFields) throws(NetworkDescriptionError) {
    inputs = try fields.size("in")
    outputs = try fields.size("out")
    bias = try fields.flag("bias", default: true)
  }
}

extension LayerDescription {
  /// Returns a linear layer: y = x Wᵀ + b over the last dimension of x.
  public static func linear(inputs: Int, outputs: Int, bias: Bool = true) -> LayerDescription {
    LayerDescription(Linear(inputs: inputs, outputs: outputs, bias: bias))
  }
}

/// Computes y = x Wᵀ + b for each row of x.
///
///   x [n·positions, inputs], W [outputs, inputs], b [outputs], y [n·positions, outputs]
struct LinearLayer<Element: Scalar>: Layer {
  let positions: Int
  let inputs: Int
  let outputs: Int
  let hasBias: Bool

  var outputCount: Int { positions * outputs }
  var outputPlace: OutputPlace { .separate }
  var canAccumulate: Bool { true }

  func forward(
    _ call: LayerCall<Element>, _ x: UnsafePointer<Element>, into y: UnsafeMutablePointer<Element>
  ) {
    let rows = call.examples * positions
    Element.product(
      rows: rows, columns: outputs, inner: inputs, alpha: 1,
      a: x, strideA: inputs, transposeA: false,
      b: call.parameters, strideB: inputs, transposeB: true,
      beta: 0, c: y, strideC: outputs)
    if hasBias {
      Element.addBias(
        rows: rows, columns: outputs, bias: call.parameters + outputs * inputs, to: y)
    }
  }

  func tangent(
    _ call: LayerCall<Element>, x: UnsafePointer<Element>, y: UnsafePointer<Element>,
    _ tangents: LayerTangents<Element>
  ) {
    let rows = call.examples * positions
    Element.product(
      rows: rows, columns: outputs, inner: inputs, alpha: 1,
      a: x, strideA: inputs, transposeA: false,
      b: tangents.parameters, strideB: inputs, transposeB: true,
      beta: 0, c: tangents.y, strideC: outputs)
    if let dx = tangents.x {
      Element.product(
        rows: rows, columns: outputs, inner: inputs, alpha: 1,
        a: dx, strideA: inputs, transposeA: false,
        b: call.parameters, strideB: inputs, transposeB: true,
        beta: 1, c: tangents.y, strideC: outputs)
    }
    if hasBias {
      Element.addBias(
        rows: rows, columns: outputs, bias: tangents.parameters + outputs * inputs, to: tangents.y)
    }
  }

  func backward(
    _ call: LayerCall<Element>, x: UnsafePointer<Element>, y: UnsafePointer<Element>,
    _ places: GradientPlaces<Element>, gradient: UnsafeMutablePointer<Element>?
  ) {
    let rows = call.examples * positions
    if let gradient {
      Element.product(
        rows: outputs, columns: inputs, inner: rows, alpha: 1,
        a: places.dy, strideA: outputs, transposeA: true,
        b: x, strideB: inputs, transposeB: false,
        beta: 0, c: gradient, strideC: inputs)
      if hasBias {
        Element.columnSums(
          rows: rows, columns: outputs, of: places.dy, into: gradient + outputs * inputs)
      }
    }
    if let dx = places.dx {
      Element.product(
        rows: rows, columns: inputs, inner: outputs, alpha: 1,
        a: places.dy, strideA: outputs, transposeA: false,
        b: call.parameters, strideB: inputs, transposeB: false,
        beta: places.accumulates ? 1 : 0, c: dx, strideC: inputs)
    }
  }

  var statisticsCount: Int { 0 }

  func collect(into view: LayerView<Element>) {
    view.weight(
      .dense(view.x, width: inputs), positions: positions, outputs: outputs, dy: view.dy)
  }
}
