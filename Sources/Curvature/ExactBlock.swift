import LinearAlgebra

/// A layer's exact block F = R Σᵣ gᵣ gᵣᵀ, stored as its rows g; computes its distance from other
/// blocks without forming a matrix of the layer's size.
///
///     g [d_out·(d_in + bias)]   Gₙ_c of an example and a column of ▲, in the order of B ⊗ A
package final class ExactBlock {
  /// The shape of the layer; its shared axis is ignored.
  package let shape: KroneckerShape
  /// The number of elements of a row.
  package let count: Int
  /// The rows √R g, one after another.
  private let rows: Buffer<Double>
  private var filled = 0
  private let root: Double
  private let scratch: Buffer<Double>
  /// ‖F‖ over all rows, in Frobenius norm.
  package private(set) lazy var norm = inner(self).squareRoot()

  /// Allocates memory for the rows.
  ///
  /// - Parameters:
  ///   - rowCount: the number of rows to be added.
  ///   - scale: R.
  package init(_ shape: KroneckerShape, rowCount: Int, scale: Double) {
    self.shape = shape
    count = shape.a.order * shape.b.order
    rows = Buffer(count: rowCount * count)
    root = scale.squareRoot()
    scratch = Buffer(count: count)
  }

  /// Adds one row for each example of a micro-batch, from one column of ▲.
  package func add(_ samples: LayerSamples<Double>, column: Int) {
    for example in 0..<samples.examples {
      samples.gradient(example: example, column: column, into: scratch.pointer)
      add(scratch.pointer)
    }
  }

  /// Adds one row.
  ///
  /// - Parameter gradient: the weight, then the bias, as in the layout of parameters.
  package func add(_ gradient: UnsafePointer<Double>) {
    precondition((filled + 1) * count <= rows.count, "more than \(filled) rows")
    let row = rows.pointer + filled * count
    shape.gather(gradient, into: row)
    for i in 0..<count { row[i] *= root }
    filled += 1
  }

  /// Returns ⟨F, F′⟩ = Σ ⟨g, g′⟩² over all pairs of rows.
  package func inner(_ other: ExactBlock) -> Double {
    precondition(count == other.count, "blocks of \(count) and \(other.count)")
    let size = 256
    let products = Buffer<Double>(count: size * size)
    var sum = 0.0
    for first in stride(from: 0, to: filled, by: size) {
      let height = min(size, filled - first)
      // For ⟨F, F⟩ each panel left of the diagonal counts twice.
      for second in stride(from: 0, to: other === self ? first + 1 : other.filled, by: size) {
        let width = min(size, other.filled - second)
        Double.product(
          rows: height, columns: width, inner: count, alpha: 1, a: rows.pointer + first * count,
          strideA: count, transposeA: false, b: other.rows.pointer + second * count,
          strideB: count, transposeB: true, beta: 0, c: products.pointer, strideC: width)
        sum +=
          (other === self && second < first ? 2 : 1)
          * Double.dot(count: height * width, products.pointer, products.pointer)
      }
    }
    return sum
  }

  /// Returns the distance of another exact block from this one: ‖F′ − F‖/‖F‖.
  package func distance(of other: ExactBlock) -> BlockDistance {
    BlockDistance(exact: norm, other: other.norm, inner: inner(other))
  }

  /// Returns the distance of B ⊗ A from this block: ‖B⊗A − F‖/‖F‖, with ⟨B⊗A, F⟩ = Σ ⟨g, B G A⟩.
  ///
  /// A result so small that it may consist of rounded squares is computed again element by element,
  /// if that takes at most `elementWork`.
  ///
  /// - Parameter shape: the shape of A and B.
  package func distance(
    of shape: KroneckerShape, a: FactorAverage<Double>, b: FactorAverage<Double>
  ) -> BlockDistance {
    let product = KroneckerProduct(shape, a: a, b: b, damping: 0)
    precondition(product.count == count, "factors of \(product.count) for a block of \(count)")
    var both = 0.0
    for i in 0..<filled {
      let g = rows.pointer + i * count
      product(g, into: scratch.pointer)
      both += Double.dot(count: count, g, scratch.pointer)
    }
    let distance = BlockDistance(exact: norm, other: a.norm * b.norm, inner: both)
    guard distance.relative < 10 * BlockDistance.resolution, norm > 0,
      Double(filled) * Double(count) * Double(count) <= Self.elementWork
    else { return distance }
    return BlockDistance(distance, relative: difference(shape, a, b) / norm)
  }

  /// The most multiplications of an element-by-element comparison: about ten seconds.
  private static let elementWork = 2e11

  /// Returns ‖B⊗A − F‖, summed over the blocks (u, v) of rows and columns of the outer factor.
  private func difference(
    _ shape: KroneckerShape, _ a: FactorAverage<Double>, _ b: FactorAverage<Double>
  ) -> Double {
    let (outer, inner) = shape.isTable ? (a, b) : (b, a)
    let (order, width) = (outer.shape.order, inner.shape.order)
    let (outerMatrix, innerMatrix) = (outer.matrix(), inner.matrix())
    let block = Buffer<Double>(count: width * width)
    var sum = 0.0
    for u in 0..<order {
      for v in 0...u {
        Double.product(
          rows: width, columns: width, inner: filled, alpha: 1, a: rows.pointer + u * width,
          strideA: count, transposeA: true, b: rows.pointer + v * width, strideB: count,
          transposeB: false, beta: 0, c: block.pointer, strideC: width)
        Double.combine(
          count: width * width, alpha: -outerMatrix.pointer[u * order + v], innerMatrix.pointer,
          beta: 1, into: block.pointer)
        // Each element below the diagonal counts twice.
        sum += (u == v ? 1 : 2) * Double.dot(count: block.count, block.pointer, block.pointer)
      }
    }
    return sum.squareRoot()
  }
}

extension FactorAverage<Double> {
  /// ‖A‖, in Frobenius norm.
  fileprivate var norm: Double {
    guard shape.form != .unit else { return Double(shape.order).squareRoot() }
    var sum = Double.dot(count: packed.count, packed.pointer, packed.pointer)
    if shape.form == .dense {
      // Each element below the diagonal counts twice.
      sum *= 2
      for i in 0..<shape.order {
        let diagonal = packed.pointer[i * (i + 3) / 2]
        sum -= diagonal * diagonal
      }
    }
    return scale * sum.squareRoot()
  }
}

/// Measures the distance of a matrix K from an exact block F of curvature.
package struct BlockDistance: Sendable {
  /// The smallest distance that a difference of squares resolves.
  package static let resolution = 1e-7

  /// ‖F‖, in Frobenius norm.
  package let exactNorm: Double
  /// ‖K‖, in Frobenius norm.
  package let norm: Double
  /// ‖K − F‖/‖F‖; 0 if both are zero, infinite if only F is.
  package let relative: Double
  /// ⟨K, F⟩/(‖K‖‖F‖): 1 if K is F up to a scale; NaN if one is zero.
  package let cosine: Double
  /// True if `relative` was computed element by element and not from squares.
  package let isByElements: Bool

  init(exact: Double, other: Double, inner: Double) {
    (exactNorm, norm) = (exact, other)
    let square = max(exact * exact - 2 * inner + other * other, 0)
    relative = square == 0 ? 0 : square.squareRoot() / exact
    cosine = inner / (exact * other)
    isByElements = false
  }

  init(_ distance: BlockDistance, relative: Double) {
    (exactNorm, norm, cosine) = (distance.exactNorm, distance.norm, distance.cosine)
    self.relative = relative
    isByElements = true
  }
}
