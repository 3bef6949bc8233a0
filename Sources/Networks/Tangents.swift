import LinearAlgebra

// Layers without parameters, of which each but the activations is linear.

extension ActivationLayer {
  func tangent(
    _ call: LayerCall<Element>, x: UnsafePointer<Element>, y: UnsafePointer<Element>,
    _ places: TangentPlaces<Element>, direction: UnsafePointer<Element>
  ) {
    guard let dx = places.dx else { return }
    Element.activationGradient(
      activation, count: call.examples * outputCount,
      kept: activation.derivesFromOutput ? y : x, dx, into: places.dy)
  }
}

extension AdditionLayer {
  func tangent(
    _ call: LayerCall<Element>, x: UnsafePointer<Element>, y: UnsafePointer<Element>,
    _ places: TangentPlaces<Element>, direction: UnsafePointer<Element>
  ) {
    let count = call.examples * outputCount
    switch (places.dx, places.addend) {
    case (let dx?, let addend?): Element.add(count: count, dx, addend, into: places.dy)
    case (let tangent?, nil), (nil, let tangent?):
      if tangent != UnsafePointer(places.dy) { places.dy.update(from: tangent, count: count) }
    case (nil, nil): return
    }
  }
}

extension DropoutLayer {
  func tangent(
    _ call: LayerCall<Element>, x: UnsafePointer<Element>, y: UnsafePointer<Element>,
    _ places: TangentPlaces<Element>, direction: UnsafePointer<Element>
  ) {
    if let dx = places.dx { drop(call, dx, into: places.dy) }
  }
}

extension MaxPoolingLayer {
  func tangent(
    _ call: LayerCall<Element>, x: UnsafePointer<Element>, y: UnsafePointer<Element>,
    _ places: TangentPlaces<Element>, direction: UnsafePointer<Element>
  ) {
    guard let dx = places.dx else { return }
    Element.maxPoolChoose(
      window, examples: call.examples, dx, choices: call.choices, into: places.dy)
  }
}

extension AveragePoolingLayer {
  func tangent(
    _ call: LayerCall<Element>, x: UnsafePointer<Element>, y: UnsafePointer<Element>,
    _ places: TangentPlaces<Element>, direction: UnsafePointer<Element>
  ) {
    if let dx = places.dx { forward(call, dx, into: places.dy) }
  }
}

extension GlobalAveragePoolingLayer {
  func tangent(
    _ call: LayerCall<Element>, x: UnsafePointer<Element>, y: UnsafePointer<Element>,
    _ places: TangentPlaces<Element>, direction: UnsafePointer<Element>
  ) {
    if let dx = places.dx { forward(call, dx, into: places.dy) }
  }
}

extension TranspositionLayer {
  func tangent(
    _ call: LayerCall<Element>, x: UnsafePointer<Element>, y: UnsafePointer<Element>,
    _ places: TangentPlaces<Element>, direction: UnsafePointer<Element>
  ) {
    if let dx = places.dx { forward(call, dx, into: places.dy) }
  }
}

extension ViewLayer {
  func tangent(
    _ call: LayerCall<Element>, x: UnsafePointer<Element>, y: UnsafePointer<Element>,
    _ places: TangentPlaces<Element>, direction: UnsafePointer<Element>
  ) {}
}

extension AttentionLayer {
  /// With P the softmax: dP = P ∘ (dS − rows of Σ P ∘ dS), dS = (dQ Kᵀ + Q dKᵀ)/√h, dy = dP V + P dV.
  func tangent(
    _ call: LayerCall<Element>, x: UnsafePointer<Element>, y: UnsafePointer<Element>,
    _ places: TangentPlaces<Element>, direction: UnsafePointer<Element>
  ) {
    guard let dx = places.dx else { return }
    forEachHead(call) { input, output, scores in
      let (q, k, v) = (x + input, x + input + width, x + input + 2 * width)
      let (dq, dk, dv) = (dx + input, dx + input + width, dx + input + 2 * width)
      let (dScores, dy) = (call.scratch, places.dy + output)
      for (a, b, beta) in [(dq, k, 0 as Element), (q, dk, 1)] {
        Element.product(
          rows: positions, columns: positions, inner: headWidth, alpha: scale,
          a: a, strideA: 3 * width, transposeA: false, b: b, strideB: 3 * width, transposeB: true,
          beta: beta, c: dScores, strideC: positions)
      }
      Element.softmaxGradient(rows: positions, columns: positions, scores, dScores)
      for (a, b, beta) in [(dScores, v, 0 as Element), (scores, dv, 1)] {
        Element.product(
          rows: positions, columns: headWidth, inner: positions, alpha: 1,
          a: a, strideA: positions, transposeA: false,
          b: b, strideB: 3 * width, transposeB: false,
          beta: beta, c: dy, strideC: width)
      }
    }
  }
}
