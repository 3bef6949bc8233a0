import LinearAlgebra

/// y = γ (x − mean)/√(variance + ε) + β with the statistics of each row of x [n·positions, width].
///
/// Ba, Kiros and Hinton, 2016.
struct LayerNormLayer<Element: Scalar>: Layer {
  let positions: Int
  let width: Int
  let epsilon: Double

  var outputCount: Int { positions * width }
  var outputPlace: OutputPlace { .own }
  var canAccumulate: Bool { true }
  /// The mean and 1/√(variance + ε) of each row.
  var keptCount: Int { 2 * positions }
  /// The parameters' gradient where nobody needs it.
  var scratchCount: Int { 2 * width }
  var exampleGradientCount: Int { 2 * width }

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

  func exampleGradients(
    _ call: LayerCall<Element>, x: UnsafePointer<Element>, y: UnsafePointer<Element>,
    dy: UnsafePointer<Element>, into gradients: UnsafeMutablePointer<Element>
  ) {
    for example in 0..<call.examples {
      let (rows, gradient) = (example * outputCount, gradients + example * 2 * width)
      Element.layerNormGradient(
        rows: positions, width: width, weight: call.parameters, x + rows,
        statistics: call.kept + example * 2 * positions, dy + rows, weightGradient: gradient,
        biasGradient: gradient + width, accumulates: false, into: nil)
    }
  }
}

/// In training each element is 0 with the probability, else divided by 1 − probability.
///
/// Srivastava et al., 2014. What is dropped is drawn anew for backward, and so takes no memory.
struct DropoutLayer<Element: Scalar>: LinearMapLayer {
  let probability: Double
  let outputCount: Int
  /// Which of the network's dropouts it is.
  let index: Int

  var outputPlace: OutputPlace { .overInput }

  func forward(
    _ call: LayerCall<Element>, _ x: UnsafePointer<Element>, into y: UnsafeMutablePointer<Element>
  ) {
    drop(call, x, into: y)
  }

  func backward(
    _ call: LayerCall<Element>, x: UnsafePointer<Element>, y: UnsafePointer<Element>,
    _ places: GradientPlaces<Element>, gradient: UnsafeMutablePointer<Element>?
  ) {
    if let dx = places.dx { drop(call, places.dy, into: dx) }
  }

  private func drop(
    _ call: LayerCall<Element>, _ x: UnsafePointer<Element>, into y: UnsafeMutablePointer<Element>
  ) {
    guard let training = call.training, probability > 0 else {
      if UnsafePointer(y) != x { y.update(from: x, count: call.examples * outputCount) }
      return
    }
    for example in 0..<call.examples {
      // Streams from 2⁶³ on are those of dropouts.
      Element.dropout(
        count: outputCount, probability: probability, seed: training.seed,
        stream: 1 << 63 | UInt64(training.step) << 20 | UInt64(index),
        first: (training.firstExample + example) * ((outputCount + 3) & ~3),
        x + example * outputCount, into: y + example * outputCount)
    }
  }
}
