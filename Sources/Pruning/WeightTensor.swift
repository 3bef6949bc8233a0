/// A tensor among weights that are pruned, as selection and masks know it.
public struct WeightTensor: Sendable, Equatable {
  /// As in the file of weights.
  public let name: String
  /// [outputs, inputs, …] of those that patterns are for.
  public let shape: [Int]
  /// Its elements in the vector [d], in row-major order.
  public let range: Range<Int>
  /// Whether its weights may be removed.
  public let isPrunable: Bool
  /// Products with inputs that each of its weights is in, for an example; 0 where there are none, or where
  /// that is not known.
  public let multiplyAdds: Int

  /// A tensor in the places `range` of the vector.
  public init(
    name: String, shape: [Int], range: Range<Int>, isPrunable: Bool, multiplyAdds: Int = 0
  ) {
    precondition(
      shape.reduce(1, *) == range.count, "'\(name)' of shape \(shape) at \(range)")
    self.name = name
    self.shape = shape
    self.range = range
    self.isPrunable = isPrunable
    self.multiplyAdds = multiplyAdds
  }
}
