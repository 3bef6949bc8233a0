import Glibc
import LinearAlgebra

/// Applies the inverse of a layer's damped curvature, `(B ⊗ A + damping)⁻¹`, from the
/// decompositions or inverses of both factors.
///
///     V, U [d_out, d_in + bias]   row-major, a weight and a bias; of a table [d_in, d_out]
public final class KroneckerInverse<Element: Scalar> {
  public let shape: KroneckerShape
  /// The decomposition or inverse of A, computed here or received from another rank.
  public let a: FactorInverse<Element>
  /// The decomposition or inverse of B.
  public let b: FactorInverse<Element>
  public let form: KroneckerDamping
  /// λ, and the part of it that `form` adds to each factor.
  public private(set) var damping = 0.0
  private var shifts = (a: 0.0, b: 0.0)
  private let workspace: KroneckerWorkspace<Element>

  /// Creates the inverse of one layer; `update` fills its factors.
  ///
  /// - Parameter workspace: made for a list of shapes that contains this one; nil allocates one.
  /// - Throws: `KroneckerError` if the form needs eigenvalues and the solver computes none.
  public init(
    _ shape: KroneckerShape, solver: FactorSolver, form: KroneckerDamping,
    workspace: KroneckerWorkspace<Element>? = nil
  ) throws(KroneckerError) {
    guard form != .exact || solver == .eigen else { throw .exactNeedsEigenvalues }
    self.shape = shape
    self.form = form
    a = FactorInverse(shape.a, solver: solver)
    b = FactorInverse(shape.b, solver: solver)
    self.workspace = workspace ?? KroneckerWorkspace(for: [shape])
  }

  /// Damps, then decomposes or inverts the current averages on this rank.
  public func update(
    a: FactorAverage<Element>, b: FactorAverage<Element>, damping: Double
  ) throws {
    setDamping(damping, traceOfA: a.trace, traceOfB: b.trace)
    try self.a.update(from: a, shift: shifts.a)
    try self.b.update(from: b, shift: shifts.b)
  }

  /// Sets λ, and from it the shifts of `a` and `b`, whichever rank computes them. `cholesky`
  /// factors must be computed again afterwards; `eigen` factors need not.
  ///
  /// - Returns: the shift of each factor.
  @discardableResult
  public func setDamping(
    _ damping: Double, traceOfA: Double, traceOfB: Double
  ) -> (a: Double, b: Double) {
    self.damping = damping
    shifts = form.shifts(
      damping, traceOfA: traceOfA, orderOfA: shape.a.order, traceOfB: traceOfB,
      orderOfB: shape.b.order)
    return shifts
  }

  /// Computes U = (B ⊗ A + damping)⁻¹ V, or only some rows of U.
  ///
  /// The last two products compute U in fixed chunks of rows, and the column of the bias
  /// separately. So every rank that computes a chunk gets the same bits.
  ///
  /// - Parameters:
  ///   - v: the weight, then the bias, as in the layout of parameters.
  ///   - u: same layout; may be v.
  ///   - wanted: the elements of u to compute, nil for all. Neighbouring elements are overwritten
  ///     too.
  public func apply(
    _ v: UnsafePointer<Element>, into u: UnsafeMutablePointer<Element>,
    only wanted: [Range<Int>]? = nil
  ) {
    if let wanted, wanted.isEmpty { return }
    //   x [rowCount, columnCount]   the operand of the last two products
    //   t [count, columnCount]      a chunk of rows of the first of them
    //   y [count, width]            the same rows of u
    let (rows, columns) = shape.isTable ? (a, b) : (b, a)
    let (rowCount, columnCount) = (rows.shape.order, columns.shape.order)
    let x = wholeProducts(v, rows, columns)
    let width = shape.hasBias ? shape.inputs : columnCount
    func isWanted(_ range: Range<Int>) -> Bool {
      wanted.map { $0.contains { $0.overlaps(range) } } ?? true
    }
    for start in stride(from: 0, to: rowCount, by: KroneckerWorkspace<Element>.rowsAtOnce) {
      let end = min(start + KroneckerWorkspace<Element>.rowsAtOnce, rowCount)
      guard isWanted(start * width..<end * width) else { continue }
      let count = end - start
      var t = x + start * columnCount
      if let left = matrix(rows) {
        Element.product(
          rows: count, columns: columnCount, inner: rowCount, alpha: 1, a: left + start,
          strideA: rowCount, transposeA: true, b: x, strideB: columnCount, transposeB: false,
          beta: 0, c: workspace.some.pointer, strideC: columnCount)
        t = UnsafePointer(workspace.some.pointer)
      }
      let y = u + start * width
      if let right = matrix(columns) {
        Element.product(
          rows: count, columns: width, inner: columnCount, alpha: 1, a: t, strideA: columnCount,
          transposeA: false, b: right, strideB: columnCount, transposeB: false, beta: 0, c: y,
          strideC: width)
      } else {
        y.update(from: t, count: count * width)
      }
    }
    if shape.hasBias, isWanted(rowCount * width..<rowCount * columnCount) {
      bias(x, rows, columns, into: u + rowCount * width)
    }
  }

  /// Returns the operand of the last two products as a matrix [d_out, d_in + bias]. It is Qᵀ V Q
  /// divided by the damped eigenvalues, or V if both factors are inverses.
  private func wholeProducts(
    _ v: UnsafePointer<Element>, _ rows: FactorInverse<Element>, _ columns: FactorInverse<Element>
  ) -> UnsafePointer<Element> {
    let (rowCount, columnCount) = (rows.shape.order, columns.shape.order)
    var (x, y) = (workspace.matrices.0.pointer, workspace.matrices.1.pointer)
    shape.gather(v, into: x)
    if let q = rows.vectors {
      Element.product(
        rows: rowCount, columns: columnCount, inner: rowCount, alpha: 1, a: q, strideA: rowCount,
        transposeA: false, b: x, strideB: columnCount, transposeB: false, beta: 0, c: y,
        strideC: columnCount)
      swap(&x, &y)
    }
    if let q = columns.vectors {
      Element.product(
        rows: rowCount, columns: columnCount, inner: columnCount, alpha: 1, a: x,
        strideA: columnCount, transposeA: false, b: q, strideB: columnCount, transposeB: true,
        beta: 0, c: y, strideC: columnCount)
      swap(&x, &y)
    }
    if !(rows.isInverse && columns.isInverse) {
      let (row, column) = (spectrum(rows), spectrum(columns))
      Element.divideByOuter(
        rows: rowCount, columns: columnCount, rowValues: row.values, rowShift: Element(row.shift),
        columnValues: column.values, columnShift: Element(column.shift),
        damping: form == .exact ? Element(damping) : 0, x)
    }
    return UnsafePointer(x)
  }

  /// Computes the last column of U, which belongs to the bias.
  private func bias(
    _ x: UnsafePointer<Element>, _ rows: FactorInverse<Element>,
    _ columns: FactorInverse<Element>, into u: UnsafeMutablePointer<Element>
  ) {
    let (rowCount, columnCount) = (rows.shape.order, columns.shape.order)
    let left = matrix(rows)
    let t = left == nil ? u : workspace.some.pointer
    Element.product(
      rows: rowCount, columns: 1, inner: columnCount, alpha: 1, a: x, strideA: columnCount,
      transposeA: false, b: matrix(columns)! + columnCount - 1, strideB: columnCount,
      transposeB: false, beta: 0, c: t, strideC: 1)
    if let left {
      Element.product(
        rows: rowCount, columns: 1, inner: rowCount, alpha: 1, a: left, strideA: rowCount,
        transposeA: true, b: t, strideB: 1, transposeB: false, beta: 0, c: u, strideC: 1)
    }
  }

  /// Returns the matrix of the last product: the inverse, or Qᵀ; nil for the unit matrix.
  private func matrix(_ factor: FactorInverse<Element>) -> UnsafePointer<Element>? {
    factor.isInverse ? UnsafePointer(factor.numbers.pointer) : factor.vectors
  }

  /// Returns the eigenvalues to divide by and their shift; ones and 0 for an inverse.
  private func spectrum(
    _ factor: FactorInverse<Element>
  ) -> (values: UnsafePointer<Element>, shift: Double) {
    if factor.isInverse { return (UnsafePointer(workspace.ones.pointer), 0) }
    return (factor.values, factor === a ? shifts.a : shifts.b)
  }

  /// log det (B ⊗ A + damping).
  public var logDeterminant: Double {
    sum { log($0) }
      ?? Double(shape.a.order) * logDeterminant(of: b) + Double(shape.b.order)
      * logDeterminant(of: a)
  }

  /// tr (B ⊗ A + damping)⁻¹.
  public var trace: Double { sum { 1 / $0 } ?? inverseTrace(of: a) * inverseTrace(of: b) }

  /// Sums over the eigenvalues of the damped curvature; nil if a factor is an inverse.
  private func sum(_ body: (Double) -> Double) -> Double? {
    guard !a.isInverse, !b.isInverse else { return nil }
    let extra = form == .exact ? damping : 0
    var total = 0.0
    for i in 0..<shape.b.order {
      let value = Double(b.values[i]) + shifts.b
      for j in 0..<shape.a.order {
        total += body(value * (Double(a.values[j]) + shifts.a) + extra)
      }
    }
    return total
  }

  private func logDeterminant(of factor: FactorInverse<Element>) -> Double {
    if factor.isInverse { return factor.logDeterminant }
    let (values, shift) = spectrum(factor)
    return (0..<factor.shape.order).reduce(0) { $0 + log(Double(values[$1]) + shift) }
  }

  private func inverseTrace(of factor: FactorInverse<Element>) -> Double {
    if factor.isInverse { return factor.inverseTrace }
    let (values, shift) = spectrum(factor)
    return (0..<factor.shape.order).reduce(0) { $0 + 1 / (Double(values[$1]) + shift) }
  }
}
