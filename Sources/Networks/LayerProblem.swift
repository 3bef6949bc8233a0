/// Largest number of elements in a tensor of an example or of the parameters: BLAS counts in 32
/// bits, and products of two such counts do not overflow.
let largestCount = Int(Int32.max)

/// Returns the product of `factors`, or nil if it exceeds `largestCount`.
func boundedProduct(_ factors: [Int]) -> Int? {
  var product = 1
  for factor in factors {
    let (next, overflow) = product.multipliedReportingOverflow(by: factor)
    guard !overflow, next <= largestCount else { return nil }
    product = next
  }
  return product
}

/// Reports a problem with one layer.
struct LayerProblem: Error {
  let message: String

  init(_ message: String) { self.message = message }

  static func check(_ holds: Bool, _ message: String) throws(LayerProblem) {
    guard holds else { throw LayerProblem(message) }
  }

  static func checkPositive(_ sizes: (String, Int)...) throws(LayerProblem) {
    for (name, size) in sizes where !(1...largestCount).contains(size) {
      throw LayerProblem("\(name) must be from 1 to \(largestCount), got \(size)")
    }
  }

  static func checkEpsilon(_ epsilon: Double) throws(LayerProblem) {
    try check(epsilon > 0 && epsilon.isFinite, "epsilon must be above 0, got \(epsilon)")
  }

  static func checkImage(_ shape: [Int], from giver: String) throws(LayerProblem) {
    try check(
      shape.count == 3, expected("[channels, height, width]", got: shape, from: giver))
  }

  static func checkRows(_ shape: [Int], from giver: String) throws(LayerProblem) {
    try check(
      shape.count <= 2, expected("[features] or [positions, features]", got: shape, from: giver))
  }

  static func expected(_ expected: String, got shape: [Int], from giver: String) -> String {
    "expects \(expected), \(giver) gives \(shape)"
  }

  /// Returns the numbers of positions of a window along height and width.
  static func positions(
    over shape: [Int], _ giver: String, kernel: Int, stride: Int, padding: Int
  ) throws(LayerProblem) -> [Int] {
    try checkPositive(("kernel", kernel), ("stride", stride))
    guard (0...largestCount).contains(padding) else {
      throw LayerProblem("padding must be from 0 to \(largestCount), got \(padding)")
    }
    guard boundedProduct([kernel, kernel, shape[0]]) != nil else {
      throw LayerProblem("a window of \(kernel)×\(kernel) over \(shape[0]) channels is too large")
    }
    guard shape.dropFirst().allSatisfy({ $0 + 2 * padding >= kernel }) else {
      throw LayerProblem(
        "kernel \(kernel) is larger than the image, \(giver) gives \(shape), padding \(padding)")
    }
    return shape.dropFirst().map { ($0 + 2 * padding - kernel) / stride + 1 }
  }
}
