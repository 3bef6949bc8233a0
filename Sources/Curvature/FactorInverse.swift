import Glibc
import LinearAlgebra

/// A factor decomposed, or inverted with its damping: plain numbers, which another rank can be
/// sent.
///
///     eigen      e [n], then Qᵀ [n, n], an eigenvector a row
///     cholesky   (F + shift·I)⁻¹ [n, n], then its log-determinant
///     of a diagonal or unit factor by either: e [n]
public final class FactorInverse<Element: Scalar> {
  /// Of the factor.
  public let shape: FactorShape
  /// What the numbers are.
  public let solver: FactorSolver
  /// `count(_:solver:)` of them.
  public let numbers: Buffer<Element>

  /// Room for one that comes from elsewhere.
  public init(_ shape: FactorShape, solver: FactorSolver) {
    self.shape = shape
    self.solver = solver
    numbers = Buffer(
      repeating: shape.form == .unit ? 1 : 0, count: Self.count(shape, solver: solver))
  }

  /// How many numbers it is.
  public static func count(_ shape: FactorShape, solver: FactorSolver) -> Int {
    let order = shape.order
    guard shape.form == .dense else { return order }
    return order * order + (solver == .eigen ? order : 1)
  }

  /// Becomes that of an average.
  ///
  /// - Parameter shift: added to the diagonal by `cholesky`; `eigen` adds its own when it is
  ///   applied.
  /// - Throws: `KroneckerError` where the average is not finite, `NotPositiveDefinite`.
  /// - Complexity: O(n³).
  public func update(from average: FactorAverage<Element>, shift: Double) throws {
    precondition(average.shape == shape, "\(average.shape) for \(shape)")
    let order = shape.order
    guard shape.form != .unit else { return }
    guard
      Element.dot(
        count: average.packed.count, average.packed.pointer, average.packed.pointer
      ).isFinite
    else { throw KroneckerError.notFinite(order: order) }
    if shape.form == .diagonal {
      for i in 0..<order {
        numbers.pointer[i] = Element(average.scale) * average.packed.pointer[i]
      }
      return
    }
    let matrix = numbers.pointer + (solver == .eigen ? order : 0)
    Element.unpackLower(
      order: order, average.packed.pointer, scale: Element(average.scale), into: matrix)
    switch solver {
    case .eigen:
      guard Element.decompose(order: order, matrix, values: numbers.pointer) else {
        throw KroneckerError.notConverged(order: order)
      }
      // A sum of squares has none below 0 but by rounding.
      for i in 0..<order { numbers.pointer[i] = max(numbers.pointer[i], 0) }
    case .cholesky:
      numbers.pointer[order * order] = Element(
        -(try Element.invert(order: order, matrix, shift: shift)))
    }
  }

  /// Whether it is an inverse already, with its shift in it.
  var isInverse: Bool { solver == .cholesky && shape.form == .dense }

  /// e [n], of one that is no inverse.
  var values: UnsafePointer<Element> { UnsafePointer(numbers.pointer) }

  /// Qᵀ; nil where it is the unit matrix.
  var vectors: UnsafePointer<Element>? {
    shape.form == .dense && solver == .eigen ? values + shape.order : nil
  }

  /// The sum of e, of one that is no inverse.
  public var trace: Double {
    precondition(!isInverse, "an inverse does not know its factor's trace")
    return (0..<shape.order).reduce(0) { $0 + Double(values[$1]) }
  }

  /// Of the inverse with the shift in it.
  var inverseTrace: Double {
    (0..<shape.order).reduce(0) { $0 + Double(numbers.pointer[$1 * (shape.order + 1)]) }
  }

  /// log det of the factor with the shift in it, of an inverse.
  var logDeterminant: Double { -Double(numbers.pointer[shape.order * shape.order]) }
}
