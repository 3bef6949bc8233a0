import LinearAlgebra

/// Describes the lookup of row x[s] of W [vocabulary, width] at each position s of tokens
/// [positions].
struct Embedding: NodeKind {
  let vocabulary: Int
  let width: Int

  static let names = ["embedding"]
  static let isInitializable = true
  var input: InputForm { .tokens(vocabulary: vocabulary) }

  func outputShape(of shape: [Int], from giver: String) throws(LayerProblem) -> [Int] {
    try LayerProblem.checkPositive(("vocabulary", vocabulary), ("width", width))
    // Tokens arrive as single-precision numbers, which are exact up to 2²⁴.
    try LayerProblem.check(
      vocabulary <= 1 << 24, "vocabulary must be at most \(1 << 24), got \(vocabulary)")
    try LayerProblem.check(
      shape.count == 1, LayerProblem.expected("tokens [positions]", got: shape, from: giver))
    return [shape[0], width]
  }

  func parameters(for shape: [Int], _ initialization: Initialization?) -> [LayerTensor] {
    [LayerTensor.table([vocabulary, width], initialization, or: .normal(std: 1))]
  }

  func state(for shape: [Int]) -> RunningStatistics? { nil }

  func curvature(for shape: [Int]) -> LayerForm {
    LayerForm(weights: [
      KroneckerForm(
        inputs: vocabulary, outputs: width, hasBias: false, positions: shape[0],
        isEmbedding: true)
    ])
  }

  func multiplyAddsPerWeight(for shape: [Int], giving output: [Int]) -> Int { 0 }

  func steps<Element: Scalar>(for shape: [Int], ordinal: Int) -> [LayerStep<Element>] {
    let layer = EmbeddingLayer<Element>(
      positions: shape[0], vocabulary: vocabulary, width: width)
    return [LayerStep(layer: layer, tensors: 0..<1)]
  }
}

extension Embedding {
  init(named name: String, _ fields: inout LayerFields) throws(NetworkDescriptionError) {
    vocabulary = try fields.size("vocabulary")
    width = try fields.size("width")
  }
}

extension LayerDescription {
  /// Returns the lookup of row x[s] of W [vocabulary, width] at each position s of tokens
  /// [positions].
  public static func embedding(vocabulary: Int, width: Int) -> LayerDescription {
    LayerDescription(Embedding(vocabulary: vocabulary, width: width))
  }
}

/// Computes y[s] = W[x[s]] for tokens x [n, positions]; W [vocabulary, width].
struct EmbeddingLayer<Element: Scalar>: Layer {
  let positions: Int
  let vocabulary: Int
  let width: Int

  var outputCount: Int { positions * width }
  var outputPlace: OutputPlace { .separate }

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

  var statisticsCount: Int { 0 }

  func collect(into view: LayerView<Element>) {
    view.weight(
      .tokens(view.x, vocabulary: vocabulary), positions: positions, outputs: width, dy: view.dy)
  }
}
