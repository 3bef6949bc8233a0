import LinearAlgebra

/// y[s] = W[x[s]] for tokens x [n, positions]; W [vocabulary, width].
struct EmbeddingLayer<Element: Scalar>: Layer {
  let positions: Int
  let vocabulary: Int
  let width: Int

  var outputCount: Int { positions * width }
  var outputPlace: OutputPlace { .own }

  func forward(
    _ call: LayerCall<Element>, _ x: UnsafePointer<Element>, into y: UnsafeMutablePointer<Element>
  ) {
    let count = call.examples * positions
    for token in UnsafeBufferPointer(start: x, count: count) {
      precondition(
        token >= 0 && token < Element(vocabulary), "token \(token) of a vocabulary of \(vocabulary)"
      )
    }
    Element.embed(count: count, width: width, tokens: x, table: call.parameters, into: y)
  }

  func tangent(
    _ call: LayerCall<Element>, x: UnsafePointer<Element>, y: UnsafePointer<Element>,
    _ tangents: LayerTangents<Element>
  ) {
    Element.embed(
      count: call.examples * positions, width: width, tokens: x, table: tangents.parameters,
      into: tangents.y)
  }

  func backward(
    _ call: LayerCall<Element>, x: UnsafePointer<Element>, y: UnsafePointer<Element>,
    _ places: GradientPlaces<Element>, gradient: UnsafeMutablePointer<Element>?
  ) {
    guard let gradient else { return }
    let count = call.examples * positions
    gradient.update(repeating: 0, count: vocabulary * width)
    Element.embedGradient(count: count, width: width, tokens: x, places.dy, addingTo: gradient)
  }

  func sharedInputs(
    _ x: UnsafePointer<Element>
  ) -> (inputs: LayerInputs<Element>, positions: Int)? {
    (.tokens(x, vocabulary: vocabulary), positions)
  }
}

/// y = x + W, x [n, positions·width], W [positions·width].
struct PositionEmbeddingLayer<Element: Scalar>: Layer {
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

/// softmax(Q Kᵀ/√h) V for each head of width h; the projections around it are linear layers.
///
///   x [n, positions, 3·width] holds Q, K and V of all heads one after another
///   y [n, positions, width]
///
/// Vaswani et al., 2017.
struct AttentionLayer<Element: Scalar>: Layer {
  let positions: Int
  let width: Int
  let heads: Int
  let isCausal: Bool

  private var headWidth: Int { width / heads }
  private var scale: Element { Element(1 / Double(headWidth).squareRoot()) }
  private var scoreCount: Int { positions * positions }

  var outputCount: Int { positions * width }
  var outputPlace: OutputPlace { .own }
  var scratchCount: Int { scoreCount }
  /// The softmax [n, heads, positions, positions].
  var keptCount: Int { heads * scoreCount }

  func forward(
    _ call: LayerCall<Element>, _ x: UnsafePointer<Element>, into y: UnsafeMutablePointer<Element>
  ) {
    forEachHead(call) { input, output, scores in
      let (q, k, v) = (x + input, x + input + width, x + input + 2 * width)
      Element.product(
        rows: positions, columns: positions, inner: headWidth, alpha: scale,
        a: q, strideA: 3 * width, transposeA: false, b: k, strideB: 3 * width, transposeB: true,
        beta: 0, c: scores, strideC: positions)
      Element.softmax(rows: positions, columns: positions, isCausal: isCausal, scores)
      Element.product(
        rows: positions, columns: headWidth, inner: positions, alpha: 1,
        a: scores, strideA: positions, transposeA: false,
        b: v, strideB: 3 * width, transposeB: false,
        beta: 0, c: y + output, strideC: width)
    }
  }

  func tangent(
    _ call: LayerCall<Element>, x: UnsafePointer<Element>, y: UnsafePointer<Element>,
    _ tangents: LayerTangents<Element>
  ) {
    let dx = tangents.x!
    forEachHead(call) { input, output, scores in
      let (q, k, v) = (x + input, x + input + width, x + input + 2 * width)
      let (dq, dk, dv) = (dx + input, dx + input + width, dx + input + 2 * width)
      let dScores = call.scratch
      Element.product(
        rows: positions, columns: positions, inner: headWidth, alpha: scale,
        a: dq, strideA: 3 * width, transposeA: false, b: k, strideB: 3 * width, transposeB: true,
        beta: 0, c: dScores, strideC: positions)
      Element.product(
        rows: positions, columns: positions, inner: headWidth, alpha: scale,
        a: q, strideA: 3 * width, transposeA: false, b: dk, strideB: 3 * width, transposeB: true,
        beta: 1, c: dScores, strideC: positions)
      // The derivative of softmax is symmetric.
      Element.softmaxGradient(rows: positions, columns: positions, scores, dScores)
      Element.product(
        rows: positions, columns: headWidth, inner: positions, alpha: 1,
        a: dScores, strideA: positions, transposeA: false,
        b: v, strideB: 3 * width, transposeB: false,
        beta: 0, c: tangents.y + output, strideC: width)
      Element.product(
        rows: positions, columns: headWidth, inner: positions, alpha: 1,
        a: scores, strideA: positions, transposeA: false,
        b: dv, strideB: 3 * width, transposeB: false,
        beta: 1, c: tangents.y + output, strideC: width)
    }
  }

  func backward(
    _ call: LayerCall<Element>, x: UnsafePointer<Element>, y: UnsafePointer<Element>,
    _ places: GradientPlaces<Element>, gradient: UnsafeMutablePointer<Element>?
  ) {
    guard let dx = places.dx else { return }
    forEachHead(call) { input, output, scores in
      let (q, k, v) = (x + input, x + input + width, x + input + 2 * width)
      let (dq, dk, dv) = (dx + input, dx + input + width, dx + input + 2 * width)
      let dy = places.dy + output
      let dScores = call.scratch
      Element.product(
        rows: positions, columns: headWidth, inner: positions, alpha: 1,
        a: scores, strideA: positions, transposeA: true, b: dy, strideB: width, transposeB: false,
        beta: 0, c: dv, strideC: 3 * width)
      Element.product(
        rows: positions, columns: positions, inner: headWidth, alpha: 1,
        a: dy, strideA: width, transposeA: false, b: v, strideB: 3 * width, transposeB: true,
        beta: 0, c: dScores, strideC: positions)
      Element.softmaxGradient(rows: positions, columns: positions, scores, dScores)
      Element.product(
        rows: positions, columns: headWidth, inner: positions, alpha: scale,
        a: dScores, strideA: positions, transposeA: false,
        b: k, strideB: 3 * width, transposeB: false,
        beta: 0, c: dq, strideC: 3 * width)
      Element.product(
        rows: positions, columns: headWidth, inner: positions, alpha: scale,
        a: dScores, strideA: positions, transposeA: true,
        b: q, strideB: 3 * width, transposeB: false,
        beta: 0, c: dk, strideC: 3 * width)
    }
  }

  /// Where Q of each example's head begins in x, its output in y, and its softmax.
  private func forEachHead(
    _ call: LayerCall<Element>, _ body: (Int, Int, UnsafeMutablePointer<Element>) -> Void
  ) {
    for example in 0..<call.examples {
      for head in 0..<heads {
        let column = head * headWidth
        body(
          example * positions * 3 * width + column, example * positions * width + column,
          call.kept + (example * heads + head) * scoreCount)
      }
    }
  }
}
