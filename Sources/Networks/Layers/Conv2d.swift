import LinearAlgebra

/// Cross-correlation of x [inputs, h, w] with W [outputs, inputs, kernel, kernel], zeros around.
struct Conv2d: NodeKind {
  let inputs: Int
  let outputs: Int
  let kernel: Int
  let stride: Int
  let padding: Int
  let bias: Bool

  static let names = ["conv2d"]
  static let isInitializable = true
  var input: InputForm { .channelsLast }

  func outputShape(of shape: [Int], from giver: String) throws(LayerProblem) -> [Int] {
    try LayerProblem.checkPositive(("in", inputs), ("out", outputs))
    try LayerProblem.checkImage(shape, from: giver)
    try LayerProblem.check(
      shape[0] == inputs,
      "expects \(inputs) channels, \(giver) gives \(shape[0]) in \(shape)")
    let positions = try LayerProblem.positions(
      over: shape, giver, kernel: kernel, stride: stride, padding: padding)
    // It is computed from an image with the zeros around it.
    let padded = [inputs, shape[1] + 2 * padding, shape[2] + 2 * padding]
    try LayerProblem.check(
      boundedProduct(padded) != nil, "an image of \(padded), with its padding, is too large")
    return [outputs] + positions
  }

  func parameters(for shape: [Int], _ initialization: Initialization?) -> [LayerTensor] {
    LayerTensor.affine([outputs, inputs, kernel, kernel], hasBias: bias, initialization)
  }

  func state(for shape: [Int]) -> RunningStatistics? { nil }

  func curvature(for shape: [Int]) -> LayerForm {
    LayerForm(weights: [
      KroneckerForm(
        inputs: inputs * kernel * kernel, outputs: outputs, hasBias: bias,
        positions: window(over: shape).positionCount)
    ])
  }

  func multiplyAddsPerWeight(for shape: [Int], giving output: [Int]) -> Int {
    output.dropFirst().reduce(1, *)
  }

  func steps<Element: Scalar>(for shape: [Int], ordinal: Int) -> [LayerStep<Element>] {
    let layer = ConvolutionLayer<Element>(
      window: window(over: shape), outputs: outputs, hasBias: bias)
    return [LayerStep(layer: layer, tensors: 0..<(bias ? 2 : 1))]
  }

  private func window(over shape: [Int]) -> SlidingWindow {
    SlidingWindow(over: shape, kernel: kernel, stride: stride, padding: padding)
  }
}

extension Conv2d {
  init(named name: String, _ fields: inout LayerFields) throws(NetworkDescriptionError) {
    inputs = try fields.size("in")
    outputs = try fields.size("out")
    kernel = try fields.size("kernel")
    stride = try fields.size("stride", default: 1)
    padding = try fields.size("padding", default: 0)
    bias = try fields.flag("bias", default: true)
  }
}

extension SlidingWindow {
  /// Over an image [channels, height, width].
  init(over shape: [Int], kernel: Int, stride: Int, padding: Int) {
    self.init(
      height: shape[1], width: shape[2], channels: shape[0], kernel: kernel, stride: stride,
      padding: padding)
  }
}

extension LayerDescription {
  /// Cross-correlation with square kernels, zeros around the image.
  public static func conv2d(
    inputs: Int, outputs: Int, kernel: Int, stride: Int = 1, padding: Int = 0, bias: Bool = true
  ) -> LayerDescription {
    LayerDescription(
      Conv2d(
        inputs: inputs, outputs: outputs, kernel: kernel, stride: stride, padding: padding,
        bias: bias))
  }
}

/// y = x ⋆ W + b, cross-correlation with zeros around x.
///
///   x [n, h, w, in], W [out, in, kernel, kernel], b [out], y [n, positions, out]
struct ConvolutionLayer<Element: Scalar>: Layer {
  let window: SlidingWindow
  let outputs: Int
  let hasBias: Bool
  private let sizes: ConvolutionSizes

  init(window: SlidingWindow, outputs: Int, hasBias: Bool) {
    self.window = window
    self.outputs = outputs
    self.hasBias = hasBias
    sizes = ConvolutionSizes(window, outputs: outputs, of: Element.self)
  }

  private var weightCount: Int { outputs * window.patchCount }

  var outputCount: Int { window.positionCount * outputs }
  var outputPlace: OutputPlace { .own }
  var canAccumulate: Bool { true }
  /// Packed weights, or their gradient; then the kernels' own.
  var scratchCount: Int { sizes.packed + sizes.scratch }

  func forward(
    _ call: LayerCall<Element>, _ x: UnsafePointer<Element>, into y: UnsafeMutablePointer<Element>
  ) {
    convolve(call, x, call.parameters, hasBias: hasBias, accumulates: false, into: y)
  }

  func tangent(
    _ call: LayerCall<Element>, x: UnsafePointer<Element>, y: UnsafePointer<Element>,
    _ tangents: LayerTangents<Element>
  ) {
    convolve(call, x, tangents.parameters, hasBias: hasBias, accumulates: false, into: tangents.y)
    if let dx = tangents.x {
      convolve(call, dx, call.parameters, hasBias: false, accumulates: true, into: tangents.y)
    }
  }

  /// With these weights, and the bias behind them.
  private func convolve(
    _ call: LayerCall<Element>, _ x: UnsafePointer<Element>, _ weights: UnsafePointer<Element>,
    hasBias: Bool, accumulates: Bool, into y: UnsafeMutablePointer<Element>
  ) {
    let packed = call.scratch
    Element.packWeights(window, outputs: outputs, weights, into: packed)
    Element.convolve(
      window, outputs: outputs, examples: call.examples, x, packed: packed,
      bias: hasBias ? weights + weightCount : nil, accumulates: accumulates,
      scratch: call.scratch + sizes.packed, into: y)
  }

  func backward(
    _ call: LayerCall<Element>, x: UnsafePointer<Element>, y: UnsafePointer<Element>,
    _ places: GradientPlaces<Element>, gradient: UnsafeMutablePointer<Element>?
  ) {
    let packed = call.scratch
    let scratch = call.scratch + sizes.packed
    if let gradient {
      Element.weightGradient(
        window, outputs: outputs, examples: call.examples, x, places.dy, scratch: scratch,
        into: packed)
      Element.unpackWeights(window, outputs: outputs, packed, into: gradient)
      if hasBias {
        Element.columnSums(
          rows: call.examples * window.positionCount, columns: outputs, of: places.dy,
          into: gradient + weightCount)
      }
    }
    if let dx = places.dx {
      Element.packAdjointWeights(window, outputs: outputs, call.parameters, into: packed)
      Element.convolveAdjoint(
        window, outputs: outputs, examples: call.examples, places.dy, packed: packed,
        accumulates: places.accumulates, scratch: scratch, into: dx)
    }
  }

  var statisticsCount: Int { 0 }

  func collect(into view: LayerView<Element>) {
    view.weight(
      .images(view.x, window), positions: window.positionCount, outputs: outputs, dy: view.dy)
  }
}
