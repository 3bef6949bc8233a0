/// A tensor among weights that are pruned, as selection and masks know it.
public struct WeightTensor: Sendable, Equatable {
  public let name: String
  /// [outputs, inputs, …] of those that patterns are for.
  public let shape: [Int]
  /// Its elements in the vector [d], in row-major order.
  public let range: Range<Int>
  /// Whether its weights may be removed.
  public let isPrunable: Bool

  public init(name: String, shape: [Int], range: Range<Int>, isPrunable: Bool) {
    precondition(
      shape.reduce(1, *) == range.count, "'\(name)' of shape \(shape) at \(range)")
    self.name = name
    self.shape = shape
    self.range = range
    self.isPrunable = isPrunable
  }
}
