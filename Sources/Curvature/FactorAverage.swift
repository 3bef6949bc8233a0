import LinearAlgebra

/// Averages a factor over steps: average ← β·average + (1 − β)·factor, starting from zero. Readers
/// divide it by 1 − βᵗ, as in Adam (Kingma and Ba, 2015).
///
/// The average is packed and has the element's type. In single precision with β up to 0.9999, an
/// update of relative size 1 − β is a thousand roundings large. Past errors fade with β.
public final class FactorAverage<Element: Scalar> {
  public let shape: FactorShape
  /// [shape.packedCount], not yet divided by `weight`.
  public let packed: Buffer<Element>
  /// 1 − βᵗ, or its equivalent if β has changed; 0 before the first factor.
  public private(set) var weight = 0.0

  /// Creates an average without a factor.
  public init(_ shape: FactorShape) {
    self.shape = shape
    packed = Buffer(count: shape.packedCount)
  }

  /// Adds a factor: `scale` times a packed sum over the global batch.
  ///
  /// - Parameter decay: β in [0, 1); 0 forgets all earlier factors.
  /// - Returns: false if the sum holds an infinity or a NaN, which would stay; it is then not
  ///   added.
  @discardableResult
  public func add(_ sum: UnsafePointer<Element>, scale: Double, decay: Double) -> Bool {
    precondition((0..<1).contains(decay), "a decay of \(decay)")
    guard Element.dot(count: packed.count, sum, sum).isFinite else { return false }
    Element.combine(
      count: packed.count, alpha: Element((1 - decay) * scale), sum, beta: Element(decay),
      into: packed.pointer)
    weight = decay * weight + (1 - decay)
    return true
  }

  /// Restores the weight of another process; the caller copies the packed numbers.
  public func resume(weight: Double) { self.weight = weight }

  /// The factor 1/`weight` that turns `packed` into the average.
  public var scale: Double {
    precondition(weight > 0 || shape.form == .unit, "an average of nothing")
    return 1 / weight
  }

  public var trace: Double {
    switch shape.form {
    case .dense:
      scale * (0..<shape.order).reduce(0) { $0 + Double(packed.pointer[$1 * ($1 + 3) / 2]) }
    case .diagonal: scale * packed.all.reduce(0) { $0 + Double($1) }
    case .unit: Double(shape.order)
    }
  }

  /// Returns the average as a full matrix [order, order].
  public func matrix() -> Buffer<Element> {
    let order = shape.order
    let matrix = Buffer<Element>(count: order * order)
    switch shape.form {
    case .dense:
      Element.unpackLower(
        order: order, packed.pointer, scale: Element(scale), into: matrix.pointer)
      Element.mirrorLower(order: order, matrix.pointer)
    case .diagonal:
      for i in 0..<order { matrix.pointer[i * (order + 1)] = Element(scale) * packed.pointer[i] }
    case .unit: for i in 0..<order { matrix.pointer[i * (order + 1)] = 1 }
    }
    return matrix
  }
}
