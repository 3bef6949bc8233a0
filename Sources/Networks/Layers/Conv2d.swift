import LinearAlgebra

/// Describes the cross-correlation of x [inputs, h, w] with W
/// [outputs, inputs/groups, kernel, kernel], with zeros around x.
///
/// The taps of the window are `dilation` pixels apart. The outputs of each group see only the
/// inputs of that group; with one input per group the convolution is depthwise.
struct Conv2d: NodeKind {
  let inputs: Int
  let outputs: Int
  let kernel: Int
  let stride: Int
  let padding: Int
  let dilation: Int
  let groups: Int
  let bias: Bool

  static let names = ["conv2d"]
  static let isInitializable = true
  var input: InputForm { .channelsLast }
  var recorded: (name: String, fields: [(label: String?, value: Any)]) {
    var fields: [(label: String?, value: Any)] = [
      ("inputs", inputs), ("outputs", outputs), ("kernel", kernel), ("stride", stride),
      ("padding", padding),
    ]
    if dilation != 1 { fields.append(("dilation", dilation)) }
    if groups != 1 { fields.append(("groups", groups)) }
    return ("conv2d", fields + [("bias", bias)])
  }

  func outputShape(of shape: [Int], from giver: String) throws(LayerProblem) -> [Int] {
    try LayerProblem.checkPositive(
      ("in", inputs), ("out", outputs), ("dilation", dilation), ("groups", groups))
    try LayerProblem.check(
      inputs % groups == 0 && outputs % groups == 0,
      "groups must divide in and out, got \(groups) groups of \(inputs) and \(outputs)")
    try LayerProblem.checkImage(shape, from: giver)
    try LayerProblem.check(
      shape[0] == inputs,
      "expects \(inputs) channels, \(giver) gives \(shape[0]) in \(shape)")
    _ = try LayerProblem.positions(
      over: shape, giver, kernel: kernel, stride: stride, padding: padding)
    try LayerProblem.check(
      shape.dropFirst().allSatisfy { $0 + 2 * padding > (kernel - 1) * dilation },
      "kernel \(kernel) with dilation \(dilation) is larger than the image, \(giver) gives "
        + "\(shape), "
        + "padding \(padding)")
    // The kernels work on the image with the zeros around it.
    let padded = [inputs, shape[1] + 2 * padding, shape[2] + 2 * padding]
    try LayerProblem.check(
      boundedProduct(padded) != nil, "an image of \(padded), with its padding, is too large")
    let window = window(over: shape)
    return [outputs, window.outputHeight, window.outputWidth]
  }

  func parameters(for shape: [Int], _ initialization: Initialization?) -> [LayerTensor] {
    LayerTensor.affine([outputs, inputs / groups, kernel, kernel], hasBias: bias, initialization)
  }

  func state(for shape: [Int]) -> RunningStatistics? { nil }

  func curvature(for shape: [Int]) -> LayerForm {
    let positions = window(over: shape).positionCount
    let (patch, width) = (inputs / groups * kernel * kernel, outputs / groups)
    func form(_ group: Int?) -> KroneckerForm {
      var form = KroneckerForm(
        group: group, inputs: patch, outputs: width, hasBias: bias && group == nil,
        positions: positions)
      if isGrouped {
        form.exampleInputs = positions * patch
        form.copied = max(positions * (patch + width), outputs)
      }
      return form
    }
    // Each group multiplies its own inputs, and its bias does not lie behind its weights.
    return groups == 1
      ? LayerForm(weights: [form(nil)])
      : LayerForm(weights: (0..<groups).map(form), block: bias ? 1..<2 : nil)
  }

  func multiplyAddsPerWeight(for shape: [Int], giving output: [Int]) -> Int {
    output.dropFirst().reduce(1, *)
  }

  func steps<Element: Scalar>(for shape: [Int], ordinal: Int) -> [LayerStep<Element>] {
    let tensors = 0..<(bias ? 2 : 1)
    let span = window(over: shape)
    guard isGrouped else {
      let layer = ConvolutionLayer<Element>(window: span, outputs: outputs, hasBias: bias)
      return [LayerStep(layer: layer, tensors: tensors)]
    }
    let layer = GroupedConvolutionLayer<Element>(
      window: GroupedWindow(span: span, kernel: kernel, dilation: dilation, groups: groups),
      outputs: outputs, hasBias: bias)
    return [LayerStep(layer: layer, tensors: tensors)]
  }

  /// True if the window is dilated or the channels are in groups; these have separate kernels.
  private var isGrouped: Bool { groups > 1 || dilation > 1 }

  /// Returns the window with its whole span.
  private func window(over shape: [Int]) -> SlidingWindow {
    SlidingWindow(
      over: shape, kernel: (kernel - 1) * dilation + 1, stride: stride, padding: padding)
  }
}

extension Conv2d {
  init(named name: String, _ fields: inout LayerFields) throws(NetworkDescriptionError) {
    inputs = try fields.size("in")
    outputs = try fields.size("out")
    kernel = try fields.size("kernel")
    stride = try fields.size("stride", default: 1)
    padding = try fields.size("padding", default: 0)
    dilation = try fields.size("dilation", default: 1)
    groups = try fields.size("groups", default: 1)
    bias = try fields.flag("bias", default: true)
  }
}

extension SlidingWindow {
  /// Creates a window over an image [channels, height, width].
  init(over shape: [Int], kernel: Int, stride: Int, padding: Int) {
    self.init(
      height: shape[1], width: shape[2], channels: shape[0], kernel: kernel, stride: stride,
      padding: padding)
  }
}

extension LayerDescription {
  /// Returns a cross-correlation with square kernels and zeros around the image.
  ///
  /// - Parameters:
  ///   - dilation: pixels from one tap of the window to the next.
  ///   - groups: must divide inputs and outputs; each group of outputs sees its inputs only.
  public static func conv2d(
    inputs: Int, outputs: Int, kernel: Int, stride: Int = 1, padding: Int = 0, dilation: Int = 1,
    groups: Int = 1, bias: Bool = true
  ) -> LayerDescription {
    LayerDescription(
      Conv2d(
        inputs: inputs, outputs: outputs, kernel: kernel, stride: stride, padding: padding,
        dilation: dilation, groups: groups, bias: bias))
  }
}

/// Computes y = x ⋆ W + b by one function of x, W and b, which also computes its tangents.
protocol AffineConvolution<Element>: Layer {
  var hasBias: Bool { get }

  /// Computes y = x ⋆ weights, plus the bias behind them if `hasBias`; or y += x ⋆ weights.
  func convolve(
    _ call: LayerCall<Element>, _ x: UnsafePointer<Element>, _ weights: UnsafePointer<Element>,
    hasBias: Bool, accumulates: Bool, into y: UnsafeMutablePointer<Element>
  )
}

extension AffineConvolution {
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
}

/// Computes y = x ⋆ W + b, a cross-correlation with zeros around x.
///
///   x [n, h, w, in], W [out, in, kernel, kernel], b [out], y [n, positions, out]
struct ConvolutionLayer<Element: Scalar>: AffineConvolution {
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
  var outputPlace: OutputPlace { .separate }
  var canAccumulate: Bool { true }
  /// Packed weights or their gradient, then the scratch memory of the kernels.
  var scratchCount: Int { sizes.packed + sizes.scratch }

  func convolve(
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

/// Computes y = x ⋆ W + b in groups and with dilation.
///
///   x [n, h, w, in], W [out, in/groups, kernel, kernel], b [out], y [n, positions, out]
struct GroupedConvolutionLayer<Element: Scalar>: AffineConvolution {
  let window: GroupedWindow
  let outputs: Int
  let hasBias: Bool

  private var weightCount: Int { outputs * window.patchCount }
  private var positions: Int { window.span.positionCount }

  var outputCount: Int { positions * outputs }
  var outputPlace: OutputPlace { .separate }
  var canAccumulate: Bool { true }
  /// Weights in the kernels' order; or their gradient for an example, and for all.
  var scratchCount: Int { 2 * weightCount }

  func convolve(
    _ call: LayerCall<Element>, _ x: UnsafePointer<Element>, _ weights: UnsafePointer<Element>,
    hasBias: Bool, accumulates: Bool, into y: UnsafeMutablePointer<Element>
  ) {
    Element.convolve(
      window, outputs: outputs, examples: call.examples, x, weights: weights,
      bias: hasBias ? weights + weightCount : nil, accumulates: accumulates,
      scratch: call.scratch, into: y)
  }

  func backward(
    _ call: LayerCall<Element>, x: UnsafePointer<Element>, y: UnsafePointer<Element>,
    _ places: GradientPlaces<Element>, gradient: UnsafeMutablePointer<Element>?
  ) {
    if let gradient {
      Element.weightGradient(
        window, outputs: outputs, examples: call.examples, x, places.dy, scratch: call.scratch,
        into: gradient)
      if hasBias {
        Element.columnSums(
          rows: call.examples * positions, columns: outputs, of: places.dy,
          into: gradient + weightCount)
      }
    }
    if let dx = places.dx {
      Element.convolveAdjoint(
        window, outputs: outputs, examples: call.examples, places.dy, weights: call.parameters,
        accumulates: places.accumulates, scratch: call.scratch, into: dx)
    }
  }

  /// A group's patches and its part of dy; or the bias's gradients.
  var statisticsCount: Int {
    max(positions * (window.patchCount + outputs / window.groups), outputs)
  }

  func collect(into view: LayerView<Element>) {
    let (examples, width) = (view.call.examples, outputs / window.groups)
    let rows = examples * positions
    for group in 0..<window.groups {
      let patches = view.memory()
      Element.patches(window, ofGroup: group, examples: examples, view.x, into: patches)
      let part = patches + rows * window.patchCount
      if let dy = view.dy {
        for row in 0..<rows {
          (part + row * width).update(from: dy + row * outputs + group * width, count: width)
        }
      }
      view.weight(
        at: group * width * window.patchCount, .dense(patches, width: window.patchCount),
        positions: positions, outputs: width, dy: view.dy == nil ? nil : UnsafePointer(part))
    }
    guard hasBias, window.groups > 1 else { return }
    view.block(tensor: 1, at: weightCount, count: outputs) { dy, gradients in
      for example in 0..<examples {
        Element.columnSums(
          rows: positions, columns: outputs, of: dy + example * outputCount,
          into: gradients + example * outputs)
      }
    }
  }
}
