import Glibc
import LinearAlgebra

/// The inverse of a layer's damped curvature, `(B ⊗ A + damping)⁻¹`, from both factors' decompositions
/// or inverses.
///
///     V, U [d_out, d_in + bias] row-major, or of a table [d_in, d_out]
public final class KroneckerInverse<Element: Scalar> {
  /// Of the layer.
  public let shape: KroneckerShape
  /// Of A, here or from another rank.
  public let a: FactorInverse<Element>
  /// Of B.
  public let b: FactorInverse<Element>
  /// What the damping adds.
  public let form: KroneckerDamping
  /// λ, and what of it each factor has had added.
  public private(set) var damping = 0.0
  private var shifts = (a: 0.0, b: 0.0)
  private let scratch: Buffer<Element>
  private let ones: Buffer<Element>

  /// - Throws: `KroneckerError` where the form needs eigenvalues and the solver has none.
  public init(
    _ shape: KroneckerShape, solver: FactorSolver, form: KroneckerDamping
  ) throws(KroneckerError) {
    guard form != .exact || solver == .eigen else { throw .exactNeedsEigenvalues }
    self.shape = shape
    self.form = form
    a = FactorInverse(shape.a, solver: solver)
    b = FactorInverse(shape.b, solver: solver)
    scratch = Buffer(count: shape.a.order * shape.b.order)
    ones = Buffer(count: max(shape.a.order, shape.b.order))
    ones.all.update(repeating: 1)
  }

  /// Of these averages, here and now.
  public func update(
    a: FactorAverage<Element>, b: FactorAverage<Element>, damping: Double
  ) throws {
    setDamping(damping, traceOfA: a.trace, traceOfB: b.trace)
    try self.a.update(from: a, shift: shifts.a)
    try self.b.update(from: b, shift: shifts.b)
  }

  /// What `a` and `b` are damped with, whoever computes them: `cholesky` has to be computed anew
  /// afterwards, `eigen` has not.
  ///
  /// - Returns: the shift of each.
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

  /// U = (B ⊗ A + damping)⁻¹ V.
  ///
  /// - Parameters:
  ///   - v: [d_out, d_in + bias], or of a table [d_in, d_out].
  ///   - u: of the same shape, overwritten; not v.
  public func apply(_ v: UnsafePointer<Element>, into u: UnsafeMutablePointer<Element>) {
    let (rows, columns) = shape.isTable ? (a, b) : (b, a)
    let rowCount = rows.shape.order
    let columnCount = columns.shape.order
    let (first, second) = (scratch.pointer, u)
    // Left to right through scratch and u; each step goes from the one to the other.
    var x = v
    func step(_ body: (UnsafePointer<Element>, UnsafeMutablePointer<Element>) -> Void) {
      let y = x == UnsafePointer(first) ? second : first
      body(x, y)
      x = UnsafePointer(y)
    }
    func rotate(back: Bool) {
      if let q = rows.vectors {
        step { x, y in
          Element.product(
            rows: rowCount, columns: columnCount, inner: rowCount, alpha: 1,
            a: q, strideA: rowCount, transposeA: back, b: x, strideB: columnCount,
            transposeB: false, beta: 0, c: y, strideC: columnCount)
        }
      }
      if let q = columns.vectors {
        step { x, y in
          Element.product(
            rows: rowCount, columns: columnCount, inner: columnCount, alpha: 1,
            a: x, strideA: columnCount, transposeA: false, b: q, strideB: columnCount,
            transposeB: !back, beta: 0, c: y, strideC: columnCount)
        }
      }
    }
    rotate(back: false)
    for (factor, fromRight) in [(rows, false), (columns, true)] where factor.isInverse {
      step { x, y in
        Element.symmetricProduct(
          rows: rowCount, columns: columnCount, factor.numbers.pointer, fromRight: fromRight, x,
          into: y)
      }
    }
    if !(rows.isInverse && columns.isInverse) {
      step { x, y in
        y.update(from: x, count: rowCount * columnCount)
        let (row, column) = (spectrum(rows), spectrum(columns))
        Element.divideByOuter(
          rows: rowCount, columns: columnCount, rowValues: row.values, rowShift: Element(row.shift),
          columnValues: column.values, columnShift: Element(column.shift),
          damping: form == .exact ? Element(damping) : 0, y)
      }
    }
    rotate(back: true)
    if x == UnsafePointer(first) { u.update(from: x, count: rowCount * columnCount) }
  }

  /// What is left to divide by: of an inverse nothing.
  private func spectrum(
    _ factor: FactorInverse<Element>
  ) -> (values: UnsafePointer<Element>, shift: Double) {
    if factor.isInverse { return (UnsafePointer(ones.pointer), 0) }
    return (factor.values, factor === a ? shifts.a : shifts.b)
  }

  /// log det of the damped curvature.
  public var logDeterminant: Double {
    sum { log($0) }
      ?? Double(shape.a.order) * logDeterminant(of: b) + Double(shape.b.order)
      * logDeterminant(of: a)
  }

  /// The trace of the inverse.
  public var trace: Double { sum { 1 / $0 } ?? inverseTrace(of: a) * inverseTrace(of: b) }

  /// Over the eigenvalues of the damped curvature; nil where they are not known.
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
