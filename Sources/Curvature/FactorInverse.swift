import Glibc
import LinearAlgebra

/// A decomposed factor, or a factor inverted with its damping; holds plain numbers that a rank can
/// send to another.
///
///     eigen              e [n], then Qᵀ [n, n], an eigenvector in each row
///     cholesky           (F + shift·I)⁻¹ [n, n], then its log-determinant
///     diagonal or unit   e [n], for either solver
public final class FactorInverse<Element: Scalar> {
  public let shape: FactorShape
  public let solver: FactorSolver
  /// The numbers, `count(_:solver:)` of them.
  public let numbers: Buffer<Element>

  /// Allocates memory for a factor that `update` or another rank fills.
  public init(_ shape: FactorShape, solver: FactorSolver) {
    self.shape = shape
    self.solver = solver
    numbers = Buffer(
      repeating: shape.form == .unit ? 1 : 0, count: Self.count(shape, solver: solver))
  }

  /// Returns the length of `numbers`.
  public static func count(_ shape: FactorShape, solver: FactorSolver) -> Int {
    let order = shape.order
    guard shape.form == .dense else { return order }
    return order * order + (solver == .eigen ? order : 1)
  }

  /// Decomposes or inverts an average.
  ///
  /// - Parameter shift: the number that `cholesky` adds to the diagonal; `eigen` adds its shift
  ///   when the inverse is applied.
  /// - Throws: `KroneckerError` if the average is not finite or the decomposition does not
  ///   converge; `NotPositiveDefinite`.
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
      // A sum of squares has negative eigenvalues only by rounding.
      for i in 0..<order { numbers.pointer[i] = max(numbers.pointer[i], 0) }
    case .cholesky:
      numbers.pointer[order * order] = Element(
        -(try Element.invert(order: order, matrix, shift: shift)))
    }
  }

  /// True if the numbers are an inverse that includes its shift.
  var isInverse: Bool { solver == .cholesky && shape.form == .dense }

  /// e [n]; only if `isInverse` is false.
  var values: UnsafePointer<Element> { UnsafePointer(numbers.pointer) }

  /// Qᵀ; nil if it is the unit matrix.
  var vectors: UnsafePointer<Element>? {
    shape.form == .dense && solver == .eigen ? values + shape.order : nil
  }

  /// The sum of e; only if `isInverse` is false.
  public var trace: Double {
    precondition(!isInverse, "an inverse does not know its factor's trace")
    return (0..<shape.order).reduce(0) { $0 + Double(values[$1]) }
  }

  /// The trace of the inverse, with the shift; only if `isInverse` is true.
  var inverseTrace: Double {
    (0..<shape.order).reduce(0) { $0 + Double(numbers.pointer[$1 * (shape.order + 1)]) }
  }

  /// log det of the factor with the shift; only if `isInverse` is true.
  var logDeterminant: Double { -Double(numbers.pointer[shape.order * shape.order]) }
}
