import LinearAlgebra

/// A layer's damped curvature as a product, `V ↦ B V A + λV`, of full factors: for conjugate
/// gradients instead of inverses.
public final class KroneckerProduct<Element: Scalar> {
  /// Of the layer.
  public let shape: KroneckerShape
  /// λ
  public var damping: Double
  /// Full, or the diagonal.
  private let a: Buffer<Element>
  /// Full; nil for the unit matrix.
  private let b: Buffer<Element>?
  private let scratch: Buffer<Element>

  /// Of these averages as they are now.
  public init(
    _ shape: KroneckerShape, a: FactorAverage<Element>, b: FactorAverage<Element>, damping: Double
  ) {
    precondition(
      a.shape == shape.a && b.shape == shape.b,
      "factors of \(a.shape) and \(b.shape) for \(shape.a) and \(shape.b)")
    self.shape = shape
    self.damping = damping
    if shape.a.form == .diagonal {
      self.a = Buffer(count: shape.a.order)
      Element.combine(
        count: shape.a.order, alpha: Element(a.scale), a.packed.pointer, beta: 0,
        into: self.a.pointer)
    } else {
      self.a = a.matrix()
    }
    self.b = shape.b.form == .unit ? nil : b.matrix()
    scratch = Buffer(count: shape.a.order * shape.b.order)
  }

  /// Elements of V.
  public var count: Int { shape.a.order * shape.b.order }

  /// - Parameters:
  ///   - v: [d_out, d_in + bias], or of a table [d_in, d_out].
  ///   - y: of the same shape, overwritten; not v.
  public func callAsFunction(
    _ v: UnsafePointer<Element>, into y: UnsafeMutablePointer<Element>
  ) {
    let rows = shape.isTable ? shape.a.order : shape.b.order
    var x = v
    if let b {
      Element.symmetricProduct(
        rows: rows, columns: count / rows, b.pointer, fromRight: shape.isTable, v,
        into: scratch.pointer)
      x = UnsafePointer(scratch.pointer)
    }
    if shape.a.form == .diagonal {
      // Of a table, whose rows are the tokens', or of a single row of normalisations' parameters.
      Element.scaleRows(
        rows: shape.a.order, columns: shape.b.order, scale: a.pointer, x, into: y)
    } else {
      Element.symmetricProduct(
        rows: rows, columns: count / rows, a.pointer, fromRight: !shape.isTable, x, into: y)
    }
    Element.combine(count: count, alpha: Element(damping), v, beta: 1, into: y)
  }
}

extension KroneckerShape {
  /// The matrix [d_out, d_in + 1] of a layer whose weight [d_out, d_in] and bias [d_out] lie one
  /// behind the other, as in the layout of parameters; without a bias a copy.
  public func gather<Element: Scalar>(
    _ parameters: UnsafePointer<Element>, into matrix: UnsafeMutablePointer<Element>
  ) {
    guard hasBias else { return matrix.update(from: parameters, count: inputs * outputs) }
    for o in 0..<outputs {
      (matrix + o * (inputs + 1)).update(from: parameters + o * inputs, count: inputs)
      matrix[o * (inputs + 1) + inputs] = parameters[outputs * inputs + o]
    }
  }
}
