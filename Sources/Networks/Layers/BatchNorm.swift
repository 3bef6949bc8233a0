import LinearAlgebra

/// Describes a batch-norm: γ (x − mean)/√(variance + ε) + β for each channel of an image,
/// or each feature.
///
/// In training the statistics are those of the call's examples, and the running statistics follow
/// them. Predictions use the running statistics.
struct BatchNorm: NodeKind {
  let momentum: Double
  let epsilon: Double

  static let names = ["batch-norm"]
  static let isInitializable = false
  var input: InputForm { .channelsLast }

  func outputShape(of shape: [Int], from giver: String) throws(LayerProblem) -> [Int] {
    try LayerProblem.check(
      shape.count == 3 || shape.count == 1,
      LayerProblem.expected(
        "[channels, height, width] or [features]", got: shape, from: giver))
    try LayerProblem.checkEpsilon(epsilon)
    try LayerProblem.check(
      (0...1).contains(momentum), "momentum must be in [0, 1], got \(momentum)")
    return shape
  }

  func parameters(for shape: [Int], _ initialization: Initialization?) -> [LayerTensor] {
    LayerTensor.scaleAndShift(shape[0])
  }

  func state(for shape: [Int]) -> RunningStatistics? {
    RunningStatistics(
      tensors: [
        LayerTensor(name: "running_mean", shape: [shape[0]], initialValues: .constant(0)),
        LayerTensor(name: "running_var", shape: [shape[0]], initialValues: .constant(1)),
      ], momentum: momentum, elements: shape.dropFirst().reduce(1, *))
  }

  func curvature(for shape: [Int]) -> LayerForm { LayerForm(block: 0..<2) }

  func multiplyAddsPerWeight(for shape: [Int], giving output: [Int]) -> Int { 0 }

  func steps<Element: Scalar>(for shape: [Int], ordinal: Int) -> [LayerStep<Element>] {
    let layer = BatchNormLayer<Element>(
      positions: shape.dropFirst().reduce(1, *), channels: shape[0], epsilon: epsilon)
    return [LayerStep(layer: layer, tensors: 0..<2)]
  }
}

extension BatchNorm {
  init(named name: String, _ fields: inout LayerFields) throws(NetworkDescriptionError) {
    momentum = try fields.number("momentum", default: 0.1)
    epsilon = try fields.number("epsilon", default: 1e-5)
  }
}

extension LayerDescription {
  /// Batch-norm with PyTorch's momentum 0.1 and ε 1e-5.
  public static let batchNorm = batchNorm()

  /// Returns a batch-norm: γ (x − mean)/√(variance + ε) + β for each channel or feature.
  ///
  /// - Parameters:
  ///   - momentum: weight of the newest statistics in the running ones, in [0, 1].
  ///   - epsilon: ε > 0.
  public static func batchNorm(
    momentum: Double = 0.1, epsilon: Double = 1e-5
  ) -> LayerDescription {
    LayerDescription(BatchNorm(momentum: momentum, epsilon: epsilon))
  }
}

/// Computes y = γ (x − mean)/√(variance + ε) + β for each channel; then adds the addend and applies
/// ReLU, if the layer has them.
///
///   x, y, addend [rows, channels], rows = n·positions
///
/// In training mean and variance are those of the rows. Otherwise they are the running ones, and
/// constants in the derivatives. Ioffe and Szegedy, 2015.
struct BatchNormLayer<Element: Scalar>: Layer {
  let positions: Int
  let channels: Int
  let epsilon: Double
  var hasAddend = false
  var hasReLU = false

  var outputCount: Int { positions * channels }
  var outputPlace: OutputPlace { .separate }
  var keepsOutput: Bool { hasReLU }
  var withAddend: (any Layer<Element>)? {
    var layer = self
    layer.hasAddend = true
    return layer
  }

  func followed(by kind: any NodeKind) -> (any Layer<Element>)? {
    guard (kind as? ElementwiseActivation)?.activation == .relu else { return nil }
    var layer = self
    layer.hasReLU = true
    return layer
  }

  var statisticsCount: Int { 2 * channels }
  var canAccumulate: Bool { true }
  /// Four numbers of the element's type for each channel, and two of double precision.
  var scratchCount: Int {
    4 * channels + 2 * channels * MemoryLayout<Double>.stride / MemoryLayout<Element>.stride
  }
  /// The mean and 1/√(variance + ε) of each channel.
  var keptOnce: Int { 2 * channels }

  func forward(
    _ call: LayerCall<Element>, _ x: UnsafePointer<Element>, into y: UnsafeMutablePointer<Element>
  ) {
    let rows = call.examples * positions
    let (mean, inverse) = (call.kept, call.kept + channels)
    if call.training != nil {
      withDoubles(call) { means, variances in
        Element.batchStatistics(
          rows: rows, channels: channels, of: x, mean: means, variance: variances)
        let unbias = rows > 1 ? Double(rows) / Double(rows - 1) : 1
        for c in 0..<channels {
          mean[c] = Element(means[c])
          inverse[c] = Element(1 / (variances[c] + epsilon).squareRoot())
          call.statistics?[c] = Element(means[c])
          call.statistics?[channels + c] = Element(variances[c] * unbias)
        }
      }
    } else {
      for c in 0..<channels {
        mean[c] = call.state[c]
        inverse[c] = Element(1 / (Double(call.state[channels + c]) + epsilon).squareRoot())
      }
    }
    let (scale, shift) = (call.scratch, call.scratch + channels)
    for c in 0..<channels {
      let factor = Double(call.parameters[c]) * Double(inverse[c])
      scale[c] = Element(factor)
      shift[c] = Element(Double(call.parameters[channels + c]) - factor * Double(mean[c]))
    }
    Element.scaleChannels(
      rows: rows, channels: channels, scale: scale, shift: shift,
      addend: hasAddend ? call.addend : nil, relu: hasReLU, x, into: y)
  }

  func tangent(
    _ call: LayerCall<Element>, x: UnsafePointer<Element>, y: UnsafePointer<Element>,
    _ tangents: LayerTangents<Element>
  ) {
    let rows = call.examples * positions
    let (mean, inverse) = (call.kept, call.kept + channels)
    // ẏ = a·ẋ + b·(x − mean) + shift
    let a = call.scratch
    let b = a + channels
    let shift = b + channels
    withDoubles(call) { sums, products in
      if call.training != nil, let dx = tangents.x {
        Element.batchGradientSums(
          rows: rows, channels: channels, x, mean: mean, dx, y: nil, masked: nil, sums: sums,
          products: products)
      } else {
        // Mean and variance are constants.
        sums.update(repeating: 0, count: channels)
        products.update(repeating: 0, count: channels)
      }
      for c in 0..<channels {
        let (weight, weightTangent) = (Double(call.parameters[c]), Double(tangents.parameters[c]))
        let (root, biasTangent) = (Double(inverse[c]), Double(tangents.parameters[channels + c]))
        let factor = weight * root
        a[c] = tangents.x == nil ? 0 : Element(factor)
        b[c] = Element(weightTangent * root - factor * root * root * products[c] / Double(rows))
        shift[c] = Element(biasTangent - factor * sums[c] / Double(rows))
      }
    }
    Element.batchInputGradient(
      rows: rows, channels: channels, a: a, b: b, mean: mean, shift: shift, x, tangents.x ?? x,
      y: nil, accumulates: false, into: tangents.y)
    if let addend = tangents.addend {
      Element.add(count: rows * channels, tangents.y, addend, into: tangents.y)
    }
    if hasReLU {
      Element.activationGradient(
        .relu, count: rows * channels, kept: y, tangents.y, into: tangents.y)
    }
  }

  func backward(
    _ call: LayerCall<Element>, x: UnsafePointer<Element>, y: UnsafePointer<Element>,
    _ places: GradientPlaces<Element>, gradient: UnsafeMutablePointer<Element>?
  ) {
    let rows = call.examples * positions
    let (mean, inverse) = (call.kept, call.kept + channels)
    // The addend's gradient is dy masked by ReLU; without ReLU it is dy itself.
    let masks = hasReLU ? y : nil
    let masked = hasReLU ? places.addend : nil
    // dx = a·g + b·(x − mean) + shift, where g is dy masked by ReLU
    let a = call.scratch
    let b = a + channels
    let shift = b + channels
    withDoubles(call) { sums, products in
      Element.batchGradientSums(
        rows: rows, channels: channels, x, mean: mean, places.dy, y: masks, masked: masked,
        sums: sums, products: products)
      for c in 0..<channels {
        let factor = Double(call.parameters[c]) * Double(inverse[c])
        let square = Double(inverse[c]) * Double(inverse[c])
        gradient?[c] = Element(products[c] * Double(inverse[c]))
        gradient?[channels + c] = Element(sums[c])
        a[c] = Element(factor)
        b[c] = call.training == nil ? 0 : Element(-factor * square * products[c] / Double(rows))
        shift[c] = call.training == nil ? 0 : Element(-factor * sums[c] / Double(rows))
      }
    }
    if let dx = places.dx {
      Element.batchInputGradient(
        rows: rows, channels: channels, a: a, b: b, mean: mean, shift: shift, x,
        masked.map { UnsafePointer($0) } ?? places.dy, y: masked == nil ? masks : nil,
        accumulates: places.accumulates, into: dx)
    }
    if !hasReLU, let addend = places.addend, UnsafePointer(addend) != places.dy {
      addend.update(from: places.dy, count: rows * channels)
    }
  }

  func collect(into view: LayerView<Element>) {
    let call = view.call
    let (mean, inverse) = (call.kept, call.kept + channels)
    view.block(count: 2 * channels) { dy, gradients in
      withDoubles(call) { sums, products in
        for example in 0..<call.examples {
          let (rows, gradient) = (example * outputCount, gradients + example * 2 * channels)
          Element.batchGradientSums(
            rows: positions, channels: channels, view.x + rows, mean: mean, dy + rows,
            y: hasReLU ? view.y + rows : nil, masked: nil, sums: sums, products: products)
          for c in 0..<channels {
            gradient[c] = Element(products[c] * Double(inverse[c]))
            gradient[channels + c] = Element(sums[c])
          }
        }
      }
    }
  }

  /// Passes `body` two numbers of double precision for each channel, behind the other scratch
  /// memory.
  private func withDoubles(
    _ call: LayerCall<Element>,
    _ body: (UnsafeMutablePointer<Double>, UnsafeMutablePointer<Double>) -> Void
  ) {
    let count = 2 * channels
    // Four elements of either type for each channel are a multiple of eight bytes.
    UnsafeMutableRawPointer(call.scratch + 4 * channels)
      .withMemoryRebound(to: Double.self, capacity: count) { body($0, $0 + channels) }
  }
}
