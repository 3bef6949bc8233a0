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

extension LayerDescription {
  /// The shape that the layer makes of `shape`, which `giver` ("layer 3 (relu)") gives.
  ///
  /// - Throws: `LayerProblem` where the layer's own sizes are wrong or do not follow `shape`.
  func outputShape(of shape: [Int], from giver: String) throws(LayerProblem) -> [Int] {
    switch self {
    case .linear(let inputs, let outputs, _):
      try checkPositive(("in", inputs), ("out", outputs))
      guard shape.count == 1 else {
        throw LayerProblem(
          "expects one dimension of \(inputs) inputs, \(giver) gives \(shape); add flatten before")
      }
      guard shape[0] == inputs else {
        throw LayerProblem("expects \(inputs) inputs, \(giver) gives \(shape[0])")
      }
      return [outputs]
    case .conv2d(let inputs, let outputs, let kernel, let stride, let padding, _):
      try checkPositive(("in", inputs), ("out", outputs))
      guard shape.count == 3 else { throw notAnImage(shape, giver) }
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
      guard shape.count == 3 else { throw notAnImage(shape, giver) }
      let sizes = try windows(over: shape, giver, kernel, stride, padding)
      guard padding <= kernel / 2 else {
        throw LayerProblem("padding \(padding) is more than half of kernel \(kernel)")
      }
      return [shape[0]] + sizes
    case .flatten:
      return [shape.reduce(1, *)]
    case .relu, .tanh, .sigmoid, .gelu:
      return shape
    }
  }

  /// The layer's tensors, weight first: name, shape, and how many inputs each output sums.
  var parameterTensors: [(name: String, shape: [Int], fanIn: Int)] {
    let weight: [Int]
    let hasBias: Bool
    switch self {
    case .linear(let inputs, let outputs, let bias):
      weight = [outputs, inputs]
      hasBias = bias
    case .conv2d(let inputs, let outputs, let kernel, _, _, let bias):
      weight = [outputs, inputs, kernel, kernel]
      hasBias = bias
    default:
      return []
    }
    let fanIn = weight.dropFirst().reduce(1, *)
    return [("weight", weight, fanIn)] + (hasBias ? [("bias", [weight[0]], fanIn)] : [])
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

  private func notAnImage(_ shape: [Int], _ giver: String) -> LayerProblem {
    LayerProblem("expects [channels, height, width], \(giver) gives \(shape)")
  }

  private func checkPositive(_ sizes: (String, Int)...) throws(LayerProblem) {
    for (name, size) in sizes where !(1...largestCount).contains(size) {
      throw LayerProblem("\(name) must be from 1 to \(largestCount), got \(size)")
    }
  }
}
