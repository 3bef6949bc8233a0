import LinearAlgebra

/// Multiplies by a layer's damped curvature, `V ↦ B V A + λV`, with full factors; conjugate
/// gradients use it instead of inverses.
public final class KroneckerProduct<Element: Scalar> {
  public let shape: KroneckerShape
  /// λ.
  public var damping: Double
  /// A as a full matrix, or its diagonal.
  private let a: Buffer<Element>
  /// B as a full matrix; nil for the unit matrix.
  private let b: Buffer<Element>?
  private let scratch: Buffer<Element>

  /// Copies the factors from the averages.
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

  /// The number of elements of V.
  public var count: Int { shape.a.order * shape.b.order }

  /// Writes `y = B V A + λV`.
  ///
  /// - Parameters:
  ///   - v: [d_out, d_in + bias], or of a table [d_in, d_out].
  ///   - y: same shape, overwritten; must not be v.
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
      // A diagonal A belongs to a table, with one row for each token, or to the single row of a
      // normalization layer's parameters.
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
  /// Writes the matrix [d_out, d_in + 1] of a layer from its weight [d_out, d_in] and bias [d_out].
  /// The bias follows the weight, as in the layout of parameters. Without a bias it copies the
  /// weight.
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
