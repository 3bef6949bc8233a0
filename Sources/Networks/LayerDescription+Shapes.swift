/// No tensor, of an example or of the parameters, may have more elements: BLAS counts in 32 bits,
/// and products of two such counts do not overflow.
let largestCount = Int(Int32.max)

/// The product of `factors`, or nil where it exceeds `largestCount`.
func boundedProduct(_ factors: [Int]) -> Int? {
  var product = 1
  for factor in factors {
    let (next, overflow) = product.multipliedReportingOverflow(by: factor)
    guard !overflow, next <= largestCount else { return nil }
    product = next
  }
  return product
}

/// What is wrong with one layer.
struct LayerProblem: Error {
  let message: String

  init(_ message: String) { self.message = message }
}

extension LayerDescription.Kind {
  /// The shape that the layer makes of `shape`, which `giver` ("layer 3 (relu)") gives. Not for
  /// kinds made of other layers.
  ///
  /// - Throws: `LayerProblem` where the layer's own sizes are wrong or do not follow `shape`.
  func outputShape(of shape: [Int], from giver: String) throws(LayerProblem) -> [Int] {
    func expect(_ holds: Bool, _ expected: String) throws(LayerProblem) {
      guard holds else { throw LayerProblem("expects \(expected), \(giver) gives \(shape)") }
    }
    switch self {
    case .linear(let inputs, let outputs, _):
      try checkPositive(("in", inputs), ("out", outputs))
      guard shape.count <= 2 else {
        throw LayerProblem(
          "expects one dimension of \(inputs) inputs, \(giver) gives \(shape); add flatten before")
      }
      guard shape.last == inputs else {
        throw LayerProblem("expects \(inputs) inputs, \(giver) gives \(shape.last!)")
      }
      return shape.dropLast() + [outputs]
    case .conv2d(let inputs, let outputs, let kernel, let stride, let padding, _):
      try checkPositive(("in", inputs), ("out", outputs))
      try expect(shape.count == 3, "[channels, height, width]")
      guard shape[0] == inputs else {
        throw LayerProblem("expects \(inputs) channels, \(giver) gives \(shape[0]) in \(shape)")
      }
      let sizes = try windows(over: shape, giver, kernel, stride, padding)
      // It is computed from an image with the zeros around it.
      let padded = [inputs, shape[1] + 2 * padding, shape[2] + 2 * padding]
      guard boundedProduct(padded) != nil else {
        throw LayerProblem("an image of \(padded), with its padding, is too large")
      }
      return [outputs] + sizes
    case .maxPool2d(let kernel, let stride, let padding),
      .averagePool2d(let kernel, let stride, let padding):
      try expect(shape.count == 3, "[channels, height, width]")
      let sizes = try windows(over: shape, giver, kernel, stride, padding)
      guard padding <= kernel / 2 else {
        throw LayerProblem("padding \(padding) is more than half of kernel \(kernel)")
      }
      return [shape[0]] + sizes
    case .globalAveragePool:
      try expect(shape.count >= 2, "[channels, height, width] or [positions, features]")
      return [shape.count == 3 ? shape[0] : shape.last!]
    case .flatten: return [shape.reduce(1, *)]
    case .toSequence:
      try expect(shape.count == 3, "[channels, height, width]")
      return [shape[1] * shape[2], shape[0]]
    case .activation: return shape
    case .batchNorm(let momentum, let epsilon):
      try expect(shape.count == 3 || shape.count == 1, "[channels, height, width] or [features]")
      try check(epsilon > 0 && epsilon.isFinite, "epsilon must be above 0, got \(epsilon)")
      try check((0...1).contains(momentum), "momentum must be in [0, 1], got \(momentum)")
      return shape
    case .layerNorm(let epsilon):
      try expect(shape.count <= 2, "[features] or [positions, features]")
      try check(epsilon > 0 && epsilon.isFinite, "epsilon must be above 0, got \(epsilon)")
      return shape
    case .dropout(let probability):
      try check(
        probability >= 0 && probability < 1, "probability must be in [0, 1), got \(probability)")
      return shape
    case .embedding(let vocabulary, let width):
      try checkPositive(("vocabulary", vocabulary), ("width", width))
      // Tokens come as numbers of single precision, which is exact up to there.
      try check(vocabulary <= 1 << 24, "vocabulary must be at most \(1 << 24), got \(vocabulary)")
      try expect(shape.count == 1, "tokens [positions]")
      return [shape[0], width]
    case .positionEmbedding:
      try expect(shape.count == 2, "[positions, features]")
      return shape
    case .attention(let heads, _):
      try checkPositive(("heads", heads))
      try expect(
        shape.count == 2 && shape.last! % heads == 0,
        "[positions, features] with features a multiple of \(heads) heads")
      try check(
        boundedProduct([heads, shape[0], shape[0]]) != nil,
        "\(heads) heads over \(shape[0]) positions have more than \(largestCount) scores")
      return shape
    case .sequence, .add: preconditionFailure("\(self) is made of layers")
    }
  }

  /// Positions of the window along height and width.
  private func windows(
    over shape: [Int], _ giver: String, _ kernel: Int, _ stride: Int, _ padding: Int
  ) throws(LayerProblem) -> [Int] {
    try checkPositive(("kernel", kernel), ("stride", stride))
    guard (0...largestCount).contains(padding) else {
      throw LayerProblem("padding must be from 0 to \(largestCount), got \(padding)")
    }
    guard boundedProduct([kernel, kernel, shape[0]]) != nil else {
      throw LayerProblem("a window of \(kernel)×\(kernel) over \(shape[0]) channels is too large")
    }
    let sizes = shape.dropFirst().map { ($0 + 2 * padding - kernel) / stride + 1 }
    guard shape.dropFirst().allSatisfy({ $0 + 2 * padding >= kernel }) else {
      throw LayerProblem(
        "kernel \(kernel) is larger than the image, \(giver) gives \(shape), padding \(padding)")
    }
    return sizes
  }

  private func check(_ holds: Bool, _ message: String) throws(LayerProblem) {
    guard holds else { throw LayerProblem(message) }
  }

  private func checkPositive(_ sizes: (String, Int)...) throws(LayerProblem) {
    for (name, size) in sizes where !(1...largestCount).contains(size) {
      throw LayerProblem("\(name) must be from 1 to \(largestCount), got \(size)")
    }
  }
}
