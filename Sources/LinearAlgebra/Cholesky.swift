import COpenBLAS

/// A matrix that was to be positive definite and is not.
public struct NotPositiveDefinite: Error, CustomStringConvertible {
  /// The order of the leading minor that is not positive.
  public let minor: Int
  public let order: Int
  public let shift: Double

  public var description: String {
    """
    a matrix of order \(order), shifted by \(shift), is not positive definite in double precision: \
    leading minor \(minor) is not positive (a larger damping makes it so)
    """
  }
}

/// The Cholesky factor L of a symmetric matrix, `A + σI = LLᵀ`, in double precision, in memory for
/// matrices up to a given order.
public final class CholeskyFactor {
  public let capacity: Int
  /// The order of the matrix that is factored; 0 before the first, and after one that failed.
  public private(set) var order = 0
  private let factor: Buffer<Double>

  /// - Parameter capacity: the largest order.
  public init(capacity: Int) {
    self.capacity = capacity
    factor = Buffer(count: capacity * capacity)
  }

  /// Factors `A + σI`.
  ///
  /// - Parameters:
  ///   - matrix: A, symmetric, shape [≥ order, stride]; its leading block of `order` is used.
  ///   - shift: σ.
  /// - Throws: `NotPositiveDefinite` naming the failing leading minor.
  /// - Complexity: O(order³).
  public func factor(_ matrix: [Double], stride: Int, order: Int, shift: Double) throws {
    precondition(
      order <= min(stride, capacity)
        && (order == 0 || matrix.count >= (order - 1) * stride + order),
      "order \(order) of a matrix of \(matrix.count) elements, \(stride) to a row")
    self.order = 0
    for i in 0..<order {
      for j in i..<order { factor.pointer[i * order + j] = matrix[i * stride + j] }
      factor.pointer[i * order + i] += shift
    }
    var n = Int32(order)
    var lda = Int32(max(order, 1))
    var info: Int32 = 0
    // The upper triangle by rows is LAPACK's lower one by columns.
    dpotrf_("L", &n, factor.pointer, &lda, &info)
    precondition(info >= 0, "dpotrf: argument \(-info)")
    guard info == 0 else {
      throw NotPositiveDefinite(minor: Int(info), order: order, shift: shift)
    }
    self.order = order
  }

  /// Solves `(A + σI) x = b`.
  ///
  /// - Parameter b: right-hand side, shape [order].
  /// - Returns: x, shape [order].
  /// - Complexity: O(order²).
  public func solve(_ b: [Double]) -> [Double] {
    precondition(b.count == order, "a right-hand side of \(b.count) for an order of \(order)")
    var x = b
    var n = Int32(order)
    var lda = Int32(max(order, 1))
    var one: Int32 = 1
    var info: Int32 = 0
    dpotrs_("L", &n, &one, factor.pointer, &lda, &x, &lda, &info)
    precondition(info == 0, "dpotrs: argument \(-info)")
    return x
  }
}
