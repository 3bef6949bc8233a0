import RandomNumbers

/// Describes the distribution of a layer's initial weights.
///
/// `fanIn` products make one output of the layer; one input enters `fanOut` outputs.
public struct Initialization: Sendable, Equatable {
  /// Selects the distribution of the values.
  public enum Scheme: String, CaseIterable, Sendable {
    /// Uniform in ±1/√fanIn.
    case uniform
    /// Normal with standard deviation 1.
    case normal
    /// Normal with variance 2/fanIn; He, Zhang, Ren and Sun, 2015.
    case kaimingNormal = "kaiming-normal"
    /// Uniform with variance 2/fanIn.
    case kaimingUniform = "kaiming-uniform"
    /// Normal with variance 2/(fanIn + fanOut); Glorot and Bengio, 2010.
    case xavierNormal = "xavier-normal"
    /// Uniform with variance 2/(fanIn + fanOut).
    case xavierUniform = "xavier-uniform"
  }

  /// Distribution before the factor `scale`.
  public var scheme: Scheme
  /// Factor on all values.
  public var scale: Double

  /// Creates a distribution.
  ///
  /// - Parameter scale: factor on all values.
  public init(_ scheme: Scheme, scale: Double = 1) {
    self.scheme = scheme
    self.scale = scale
  }

  /// Kaiming initialisation for layers before ReLUs; He and others, 2015.
  public static let kaimingNormal = Initialization(.kaimingNormal)

  /// Returns the normal distribution of mean 0.
  public static func normal(std: Double) -> Initialization { Initialization(.normal, scale: std) }

  func values(fanIn: Int, fanOut: Int) -> InitialValues {
    let (fanIn, fanOut) = (Double(fanIn), Double(fanOut))
    return switch scheme {
    case .uniform: .uniform(bound: scale / fanIn.squareRoot())
    case .normal: .normal(std: scale)
    case .kaimingNormal: .normal(std: scale * (2 / fanIn).squareRoot())
    case .kaimingUniform: .uniform(bound: scale * (6 / fanIn).squareRoot())
    case .xavierNormal: .normal(std: scale * (2 / (fanIn + fanOut)).squareRoot())
    case .xavierUniform: .uniform(bound: scale * (6 / (fanIn + fanOut)).squareRoot())
    }
  }
}

/// Describes the distribution of a tensor's initial elements.
enum InitialValues: Sendable, Equatable {
  case constant(Double)
  case uniform(bound: Double)
  case normal(std: Double)

  /// Draws the elements; element i is a function of `random` and i alone.
  func draw<Element: BinaryFloatingPoint>(
    _ random: CounterRandom, into elements: UnsafeMutableBufferPointer<Element>
  ) {
    switch self {
    case .constant(let value): elements.update(repeating: Element(value))
    case .uniform(let bound):
      for i in elements.indices {
        elements[i] = Element((2 * random.uniform(at: UInt64(i)) - 1) * bound)
      }
    case .normal(let std):
      for i in elements.indices { elements[i] = Element(random.normal(at: UInt64(i)) * std) }
    }
  }
}

extension ParameterLayout {
  /// Writes the values before training: a pure function of the seed. Element i of tensor t is
  /// number i of stream t.
  public func initialize<Element: BinaryFloatingPoint>(
    _ elements: UnsafeMutableBufferPointer<Element>, seed: UInt64 = 0
  ) {
    precondition(elements.count == count, "\(elements.count) elements, not \(count)")
    for (stream, tensor) in tensors.enumerated() {
      tensor.initialValues.draw(
        CounterRandom(seed: seed, stream: UInt64(stream)),
        into: UnsafeMutableBufferPointer(rebasing: elements[tensor.range]))
    }
  }
}
