import LinearAlgebra

/// Describes multi-head self-attention over [positions, features].
///
/// One projection computes Q, K and V. Each head computes softmax(Q Kᵀ/√(features/heads)) V, and a
/// second projection follows. If causal, position s sees positions 0…s.
struct Attention: NodeKind {
  let heads: Int
  let isCausal: Bool

  static let names = ["attention"]
  static let isInitializable = true
  var input: InputForm { .any }

  func outputShape(of shape: [Int], from giver: String) throws(LayerProblem) -> [Int] {
    try LayerProblem.checkPositive(("heads", heads))
    try LayerProblem.check(
      shape.count == 2 && shape.last! % heads == 0,
      LayerProblem.expected(
        "[positions, features] with features a multiple of \(heads) heads", got: shape,
        from: giver))
    try LayerProblem.check(
      boundedProduct([heads, shape[0], shape[0]]) != nil,
      "\(heads) heads over \(shape[0]) positions have more than \(largestCount) scores")
    return shape
  }

  func parameters(for shape: [Int], _ initialization: Initialization?) -> [LayerTensor] {
    let width = shape[1]
    return LayerTensor.affine(
      [3 * width, width], prefix: "in_proj_", hasBias: true,
      initialization ?? Initialization(.xavierUniform))
      + LayerTensor.affine(
        [width, width], prefix: "out_proj.", hasBias: true,
        initialization ?? Initialization(.uniform))
  }

  func state(for shape: [Int]) -> RunningStatistics? { nil }

  func curvature(for shape: [Int]) -> LayerForm {
    let (positions, width) = (shape[0], shape[1])
    return LayerForm(weights: [
      KroneckerForm(inputs: width, outputs: 3 * width, hasBias: true, positions: positions),
      KroneckerForm(
        tensor: 2, inputs: width, outputs: width, hasBias: true, positions: positions),
    ])
  }

  func multiplyAddsPerWeight(for shape: [Int], giving output: [Int]) -> Int { shape[0] }

  func steps<Element: Scalar>(for shape: [Int], ordinal: Int) -> [LayerStep<Element>] {
    let (positions, width) = (shape[0], shape[1])
    func projection(_ outputs: Int) -> LinearLayer<Element> {
      LinearLayer(positions: positions, inputs: width, outputs: outputs, hasBias: true)
    }
    let attention = AttentionLayer<Element>(
      positions: positions, width: width, heads: heads, isCausal: isCausal)
    return [
      LayerStep(layer: projection(3 * width), tensors: 0..<2),
      LayerStep(layer: attention, tensors: 0..<0),
      LayerStep(layer: projection(width), tensors: 2..<4),
    ]
  }
}

extension Attention {
  init(named name: String, _ fields: inout LayerFields) throws(NetworkDescriptionError) {
    heads = try fields.size("heads")
    isCausal = try fields.flag("causal", default: false)
  }
}

extension LayerDescription {
  /// Returns multi-head self-attention over [positions, features]; if causal, position s sees 0…s.
  public static func attention(heads: Int, isCausal: Bool = false) -> LayerDescription {
    LayerDescription(Attention(heads: heads, isCausal: isCausal))
  }
}

/// Computes softmax(Q Kᵀ/√h) V for each head of width h; linear layers compute the projections.
///
///   x [n, positions, 3·width] holds Q, K and V of all heads one after another
///   y [n, positions, width]
///
/// Vaswani et al., 2017.
struct AttentionLayer<Element: Scalar>: FactorlessLayer {
  let positions: Int
  let width: Int
  let heads: Int
  let isCausal: Bool

  private var headWidth: Int { width / heads }
  private var scale: Element { Element(1 / Double(headWidth).squareRoot()) }
  private var scoreCount: Int { positions * positions }

  var outputCount: Int { positions * width }
  var outputPlace: OutputPlace { .separate }
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
      // The derivative of softmax is symmetric, so the gradient's kernel computes the tangent too.
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

  /// Calls `body` for each head of each example with the offsets of its Q in x and its output in y,
  /// and with its softmax.
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
