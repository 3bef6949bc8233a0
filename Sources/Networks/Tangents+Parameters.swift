import LinearAlgebra

// Layers with parameters, of which v is the direction.

extension LinearLayer {
  /// dy = x v_Wᵀ + v_b + dx Wᵀ
  func tangent(
    _ call: LayerCall<Element>, x: UnsafePointer<Element>, y: UnsafePointer<Element>,
    _ places: TangentPlaces<Element>, direction: UnsafePointer<Element>
  ) {
    let rows = call.examples * positions
    func add(_ x: UnsafePointer<Element>, _ weights: UnsafePointer<Element>, beta: Element) {
      Element.product(
        rows: rows, columns: outputs, inner: inputs, alpha: 1,
        a: x, strideA: inputs, transposeA: false,
        b: weights, strideB: inputs, transposeB: true,
        beta: beta, c: places.dy, strideC: outputs)
    }
    add(x, direction, beta: 0)
    if let dx = places.dx { add(dx, call.parameters, beta: 1) }
    if hasBias {
      Element.addBias(
        rows: rows, columns: outputs, bias: direction + outputs * inputs, to: places.dy)
    }
  }
}

extension ConvolutionLayer {
  /// dy = x ⋆ v_W + v_b + dx ⋆ W
  func tangent(
    _ call: LayerCall<Element>, x: UnsafePointer<Element>, y: UnsafePointer<Element>,
    _ places: TangentPlaces<Element>, direction: UnsafePointer<Element>
  ) {
    func convolve(
      _ x: UnsafePointer<Element>, _ weights: UnsafePointer<Element>,
      bias: UnsafePointer<Element>?, into y: UnsafeMutablePointer<Element>
    ) {
      Element.packWeights(window, outputs: outputs, weights, into: call.scratch)
      Element.convolve(
        window, outputs: outputs, examples: call.examples, x, packed: call.scratch, bias: bias,
        scratch: call.scratch + sizes.packed, into: y)
    }
    convolve(x, direction, bias: hasBias ? direction + weightCount : nil, into: places.dy)
    if let dx = places.dx {
      convolve(dx, call.parameters, bias: nil, into: places.temporary)
      Element.add(
        count: call.examples * outputCount, places.dy, places.temporary, into: places.dy)
    }
  }
}

extension EmbeddingLayer {
  func tangent(
    _ call: LayerCall<Element>, x: UnsafePointer<Element>, y: UnsafePointer<Element>,
    _ places: TangentPlaces<Element>, direction: UnsafePointer<Element>
  ) {
    Element.embed(
      count: call.examples * positions, width: width, tokens: x, table: direction,
      into: places.dy)
  }
}

extension PositionEmbeddingLayer {
  func tangent(
    _ call: LayerCall<Element>, x: UnsafePointer<Element>, y: UnsafePointer<Element>,
    _ places: TangentPlaces<Element>, direction: UnsafePointer<Element>
  ) {
    let count = call.examples * outputCount
    if let dx = places.dx {
      if dx != UnsafePointer(places.dy) { places.dy.update(from: dx, count: count) }
    } else {
      places.dy.update(repeating: 0, count: count)
    }
    Element.addBias(rows: call.examples, columns: outputCount, bias: direction, to: places.dy)
  }
}

extension LayerNormLayer {
  /// dy = v_γ x̂ + v_β + γ dx̂ with dx̂ = (dx − mean(dx) − x̂ mean(x̂ dx))/√(variance + ε), which is
  /// symmetric: the product with a gradient.
  func tangent(
    _ call: LayerCall<Element>, x: UnsafePointer<Element>, y: UnsafePointer<Element>,
    _ places: TangentPlaces<Element>, direction: UnsafePointer<Element>
  ) {
    let rows = call.examples * positions
    // The statistics come out as they are.
    Element.layerNorm(
      rows: rows, width: width, epsilon: Element(epsilon), weight: direction,
      bias: direction + width, x, into: places.dy, statistics: call.kept)
    guard let dx = places.dx else { return }
    let (ones, zeros) = (call.scratch + 2 * width, call.scratch + 3 * width)
    ones.update(repeating: 1, count: width)
    zeros.update(repeating: 0, count: width)
    Element.layerNormGradient(
      rows: rows, width: width, weight: ones, x, statistics: call.kept, dx,
      weightGradient: call.scratch, biasGradient: call.scratch + width, accumulates: false,
      into: places.temporary)
    Element.scaleChannels(
      rows: rows, channels: width, scale: call.parameters, shift: zeros,
      addend: UnsafePointer(places.dy), relu: false, places.temporary, into: places.dy)
  }
}

extension BatchNormLayer {
  /// The same over each channel's rows; without training the statistics do not move.
  func tangent(
    _ call: LayerCall<Element>, x: UnsafePointer<Element>, y: UnsafePointer<Element>,
    _ places: TangentPlaces<Element>, direction: UnsafePointer<Element>
  ) {
    let rows = call.examples * positions
    let (mean, inverse) = (call.kept, call.kept + channels)
    let (a, b) = (call.scratch, call.scratch + channels)
    let shift = b + channels
    withDoubles(call) { sums, products in
      let moves = call.training != nil && places.dx != nil
      if moves, let dx = places.dx {
        Element.batchGradientSums(
          rows: rows, channels: channels, x, mean: mean, dx, y: nil, masked: nil, sums: sums,
          products: products)
      }
      for c in 0..<channels {
        let root = Double(inverse[c])
        let factor = Double(call.parameters[c]) * root
        let product = moves ? factor * root * root * products[c] / Double(rows) : 0
        a[c] = places.dx == nil ? 0 : Element(factor)
        b[c] = Element(Double(direction[c]) * root - product)
        shift[c] = Element(
          Double(direction[channels + c]) - (moves ? factor * sums[c] / Double(rows) : 0))
      }
    }
    // Without a tangent of x its place is multiplied by 0.
    Element.batchInputGradient(
      rows: rows, channels: channels, a: a, b: b, mean: mean, shift: shift, x, places.dx ?? x,
      y: nil, accumulates: false, into: places.dy)
    let count = call.examples * outputCount
    if let addend = places.addend { Element.add(count: count, places.dy, addend, into: places.dy) }
    if hasReLU {
      Element.activationGradient(.relu, count: count, kept: y, places.dy, into: places.dy)
    }
  }
}
