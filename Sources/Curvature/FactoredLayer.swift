/// A layer with curvature of its own: B ⊗ A of its matrix, or the block of a normalisation layer.
///
/// Networks describe it, statistics are gathered for it, and the optimizer preconditions it.
public struct FactoredLayer: Sendable {
  /// The weight's name.
  public let name: String
  /// The weight's index among the network's tensors.
  public let weight: Int
  /// The weight or a group of its outputs, and right behind it the bias where it has one (or γ and
  /// β).
  public let parameters: Range<Int>
  /// Its factors. The block of a normalisation layer, or of a bias by itself, is A, and B the unit
  /// matrix of order 1.
  public let shape: KroneckerShape
  /// Numbers of an example's inputs, as the layer is given them.
  public let exampleInputs: Int
  /// True for such a block: its damping is exact, whatever the form of the others is.
  public let isNormalization: Bool
  /// The factors by which the sums over the global batch become A and B.
  public var scales: (a: Double, b: Double)
  /// The place of the packed A among the packed sums of all layers.
  public var a: Range<Int>
  /// The place of the packed B.
  public var b: Range<Int>

  /// A network's collector knows it by its first parameter.
  package var first: Int { parameters.lowerBound }

  /// - Parameters:
  ///   - parameters: as many as the product of the factors' orders.
  ///   - start: where A begins among the packed sums; B is next to it.
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

  /// Puts A at `start` of the packed sums of all layers, and B behind it; returns where B ends.
  @discardableResult package mutating func place(at start: Int) -> Int {
    a = start..<start + shape.a.packedCount
    b = a.upperBound..<a.upperBound + shape.b.packedCount
    return b.upperBound
  }
}
