import LinearAlgebra

/// A factor's moving average over steps: average ← β·average + (1 − β)·factor, from zero, and
/// divided by 1 − βᵗ for its readers, as Adam's averages are (Kingma and Ba, 2015).
///
/// It is packed, of the element's type: in single precision with β up to 0.9999, an update of
/// relative size 1 − β is a thousand roundings large, and errors of the past fade with β.
public final class FactorAverage<Element: Scalar> {
  /// Of the factor.
  public let shape: FactorShape
  /// [shape.packedCount], not divided yet.
  public let packed: Buffer<Element>
  /// 1 − βᵗ, or what corresponds to it where β has changed; 0 before the first factor.
  public private(set) var weight = 0.0

  /// An average of nothing yet.
  public init(_ shape: FactorShape) {
    self.shape = shape
    packed = Buffer(count: shape.packedCount)
  }

  /// Takes in a factor: `scale` times a packed sum over the global batch.
  ///
  /// - Parameters:
  ///   - decay: β in [0, 1); 0 forgets all before.
  /// - Returns: whether it did; not where the sum holds an infinity or a NaN, which would stay.
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

  /// Becomes the average of another process, whose packed numbers are copied beside.
  public func resume(weight: Double) { self.weight = weight }

  /// What multiplies `packed`.
  public var scale: Double {
    precondition(weight > 0 || shape.form == .unit, "an average of nothing")
    return 1 / weight
  }

  /// The trace of the average.
  public var trace: Double {
    switch shape.form {
    case .dense:
      scale * (0..<shape.order).reduce(0) { $0 + Double(packed.pointer[$1 * ($1 + 3) / 2]) }
    case .diagonal: scale * packed.all.reduce(0) { $0 + Double($1) }
    case .unit: Double(shape.order)
    }
  }

  /// The average as a full matrix [order, order].
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
