import LinearAlgebra

/// A layer's exact block F = R Σᵣ gᵣ gᵣᵀ, known by the rows g that it is made of, and how far it is
/// from others. No matrix of the layer's size is formed.
///
///     g [d_out·(d_in + bias)]   Gₙ_c of an example and a column of ▲, in the order of B ⊗ A
public final class ExactBlock {
  /// Of the layer; what it says of shared axes does not matter.
  public let shape: KroneckerShape
  /// Elements of a row.
  public let count: Int
  /// √R g, one behind the other.
  private let rows: Buffer<Double>
  private var filled = 0
  private let root: Double
  private let scratch: Buffer<Double>
  /// ‖F‖, in Frobenius norm, of all rows.
  public private(set) lazy var norm = inner(self).squareRoot()

  /// - Parameters:
  ///   - rowCount: as many as will be added.
  ///   - scale: R
  public init(_ shape: KroneckerShape, rowCount: Int, scale: Double) {
    self.shape = shape
    count = shape.a.order * shape.b.order
    rows = Buffer(count: rowCount * count)
    root = scale.squareRoot()
    scratch = Buffer(count: count)
  }

  /// Takes in the rows of all examples of a micro-batch, by one column of ▲.
  public func add(_ samples: LayerSamples<Double>, column: Int) {
    for example in 0..<samples.examples {
      samples.gradient(example: example, column: column, into: scratch.pointer)
      add(scratch.pointer)
    }
  }

  /// Takes in a row.
  ///
  /// - Parameter gradient: the weight, then the bias, as in the layout of parameters.
  public func add(_ gradient: UnsafePointer<Double>) {
    precondition((filled + 1) * count <= rows.count, "more than \(filled) rows")
    let row = rows.pointer + filled * count
    shape.gather(gradient, into: row)
    for i in 0..<count { row[i] *= root }
    filled += 1
  }

  /// ⟨F, F′⟩ = Σ ⟨g, g′⟩² over all pairs.
  public func inner(_ other: ExactBlock) -> Double {
    precondition(count == other.count, "blocks of \(count) and \(other.count)")
    let size = 256
    let products = Buffer<Double>(count: size * size)
    var sum = 0.0
    for first in stride(from: 0, to: filled, by: size) {
      let height = min(size, filled - first)
      // Of itself, each panel left of the diagonal stands for two.
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

  /// How far another exact block is from this one: ‖F′ − F‖/‖F‖.
  public func distance(of other: ExactBlock) -> BlockDistance {
    BlockDistance(exact: norm, other: other.norm, inner: inner(other))
  }

  /// How far B ⊗ A is from this block: ‖B⊗A − F‖/‖F‖, with ⟨B⊗A, F⟩ = Σ ⟨g, B G A⟩.
  ///
  /// What comes out so small that it may be roundings of squares is found element by element, where
  /// that is within `elementWork`.
  ///
  /// - Parameter shape: of A and B.
  public func distance(
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

  /// Multiplications that an element-by-element comparison may take: some ten seconds.
  private static let elementWork = 2e11

  /// ‖B⊗A − F‖, by the blocks (u, v) of rows and columns of the outer factor.
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
        // Below the diagonal, each element stands for two.
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
      // Below the diagonal, each element stands for two.
      sum *= 2
      for i in 0..<shape.order {
        let diagonal = packed.pointer[i * (i + 3) / 2]
        sum -= diagonal * diagonal
      }
    }
    return scale * sum.squareRoot()
  }
}

/// How far a matrix K is from an exact block F of curvature.
public struct BlockDistance: Sendable {
  /// Smaller ones may be roundings, where they are differences of squares.
  public static let resolution = 1e-7

  /// ‖F‖, in Frobenius norm.
  public let exactNorm: Double
  /// ‖K‖
  public let norm: Double
  /// ‖K − F‖/‖F‖; 0 where both are zeros, infinite where F alone is.
  public let relative: Double
  /// ⟨K, F⟩/(‖K‖‖F‖): 1 where K is F but for its scale; not a number where one is zero.
  public let cosine: Double
  /// True if `relative` resolves roundings of the elements, and not only of their squares.
  public let isByElements: Bool

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
