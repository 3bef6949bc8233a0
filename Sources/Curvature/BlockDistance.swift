import LinearAlgebra

/// How far a layer's B ⊗ A is from its exact block F = R Σₙ Σ_c vec(Gₙ_c) vec(Gₙ_c)ᵀ of samples.
///
/// Neither is formed: with the n·c rows vec(Gₙ_c),
///
///     ‖F‖² = R² Σ ⟨G, G′⟩² over pairs     ⟨B⊗A, F⟩ = R Σ ⟨G, B G A⟩     ‖B⊗A‖² = ‖B‖² ‖A‖²
///
/// A difference of squares: in double precision, what is equal comes out as 1e-8 or less.
public struct BlockDistance: Sendable {
  /// ‖F‖, in Frobenius norm.
  public let exactNorm: Double
  /// ‖B⊗A‖
  public let kroneckerNorm: Double
  /// ‖B⊗A − F‖/‖F‖; 0 where both are zeros, infinite where F alone is.
  public let relative: Double

  /// - Parameters:
  ///   - shape: of A and B, to which what the samples say of shared axes does not matter.
  ///   - samples: of all examples, in as many micro-batches as they came.
  ///   - scale: R
  public init(
    _ shape: KroneckerShape, a: FactorAverage<Double>, b: FactorAverage<Double>,
    samples: [LayerSamples<Double>], scale: Double
  ) {
    let count = shape.a.order * shape.b.order
    let rows = samples.reduce(0) { $0 + $1.examples * $1.columns }
    let gradients = Buffer<Double>(count: rows * count)
    let flat = Buffer<Double>(count: count)
    var row = gradients.pointer
    for sample in samples {
      for example in 0..<sample.examples {
        for column in 0..<sample.columns {
          sample.gradient(example: example, column: column, into: flat.pointer)
          shape.gather(flat.pointer, into: row)
          row += count
        }
      }
    }
    let pairs = Buffer<Double>(count: rows * rows)
    Double.product(
      rows: rows, columns: rows, inner: count, alpha: scale, a: gradients.pointer, strideA: count,
      transposeA: false, b: gradients.pointer, strideB: count, transposeB: true, beta: 0,
      c: pairs.pointer, strideC: rows)
    let exact = Double.dot(count: pairs.count, pairs.pointer, pairs.pointer)
    let product = KroneckerProduct(shape, a: a, b: b, damping: 0)
    var both = 0.0
    for i in 0..<rows {
      let g = gradients.pointer + i * count
      product(g, into: flat.pointer)
      both += scale * Double.dot(count: count, g, flat.pointer)
    }
    let kronecker = Self.square(a) * Self.square(b)
    exactNorm = exact.squareRoot()
    kroneckerNorm = kronecker.squareRoot()
    let difference = max(exact - 2 * both + kronecker, 0).squareRoot()
    relative = difference == 0 ? 0 : difference / exactNorm
  }

  /// ‖A‖²
  private static func square(_ average: FactorAverage<Double>) -> Double {
    let (order, packed) = (average.shape.order, average.packed.pointer)
    guard average.shape.form != .unit else { return Double(order) }
    var sum = Double.dot(count: average.packed.count, packed, packed)
    if average.shape.form == .dense {
      // Below the diagonal, each element stands for two.
      sum *= 2
      for i in 0..<order { sum -= packed[i * (i + 3) / 2] * packed[i * (i + 3) / 2] }
    }
    return average.scale * average.scale * sum
  }
}
