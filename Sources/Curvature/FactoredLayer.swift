/// A layer that has its own curvature: B ⊗ A of its matrix, or the block of a normalization layer.
///
/// Networks describe it, the collector gathers its statistics, and the optimizer preconditions it.
public struct FactoredLayer: Sendable {
  /// The weight's name.
  public let name: String
  /// The weight's index among the network's tensors.
  public let weight: Int
  /// The weight or a group of its outputs, directly followed by the bias if there is one; or γ and
  /// β.
  public let parameters: Range<Int>
  /// The shapes of its factors. For the block of a normalization layer, or of a separate bias, A is
  /// the block and B the unit matrix of order 1.
  public let shape: KroneckerShape
  /// The number of inputs of one example, as the layer receives them.
  public let exampleInputs: Int
  /// True for the block of a normalization layer; its damping is always exact.
  public let isNormalization: Bool
  /// The factors that turn the sums over the global batch into A and B.
  public var scales: (a: Double, b: Double)
  /// The range of the packed A among the packed sums of all layers.
  public var a: Range<Int>
  /// The range of the packed B.
  public var b: Range<Int>

  /// The first parameter, which identifies the layer in a network's collector.
  package var first: Int { parameters.lowerBound }

  /// Describes a layer.
  ///
  /// - Parameters:
  ///   - parameters: a range whose length is the product of the factors' orders.
  ///   - start: the start of A among the packed sums; B follows it.
  public init(
    name: String, weight: Int, parameters: Range<Int>, shape: KroneckerShape, exampleInputs: Int,
    isNormalization: Bool = false, scales: (a: Double, b: Double) = (1, 1), start: Int = 0
  ) {
    precondition(
      parameters.count == shape.a.order * shape.b.order,
      "\(parameters.count) parameters with factors of \(shape.a.order) and \(shape.b.order)")
    self.name = name
    self.weight = weight
    self.parameters = parameters
    self.shape = shape
    self.exampleInputs = exampleInputs
    self.isNormalization = isNormalization
    self.scales = scales
    (a, b) = (0..<0, 0..<0)
    place(at: start)
  }

  /// Places A at `start` of the packed sums of all layers, followed by B; returns the end of B.
  @discardableResult package mutating func place(at start: Int) -> Int {
    a = start..<start + shape.a.packedCount
    b = a.upperBound..<a.upperBound + shape.b.packedCount
    return b.upperBound
  }
}
