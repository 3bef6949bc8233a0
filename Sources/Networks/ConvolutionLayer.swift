import LinearAlgebra

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

  func sharedInputs(
    _ x: UnsafePointer<Element>
  ) -> (inputs: LayerInputs<Element>, positions: Int)? {
    (.images(x, window), window.positionCount)
  }
}
