import CKernels
import COpenBLAS

/// Reports a matrix that must be positive definite and is not.
public struct NotPositiveDefinite: Error, CustomStringConvertible {
  /// The order of the leading minor that is not positive.
  public let minor: Int
  /// The order of the matrix.
  public let order: Int
  /// σ, which was added to the diagonal.
  public let shift: Double
  /// The precision of the factorization.
  public var precision = "double"

  public var description: String {
    """
    a matrix of order \(order), shifted by \(shift), is not positive definite in \(precision) \
    precision: leading minor \(minor) is not positive (use a larger damping)
    """
  }
}

/// Maintains the Cholesky factor L of a symmetric matrix, `A + σI = LLᵀ`, in double precision. L
/// follows A when A loses its first row and column, or gains a last one.
///
/// Each lost row moves L through its memory by one place, from the upper left to the lower right.
/// After `reserve` of them there is no room to gain a row, and A must be factored again.
public final class CholeskyFactor {
  /// The largest order.
  public let capacity: Int
  /// The order of the factored matrix; 0 before the first factorization and after a failed one.
  public private(set) var order = 0
  /// L by columns, `stride` elements from one to the next.
  private let memory: Buffer<Double>
  private let stride: Int
  /// The number of rows lost since A was factored.
  public private(set) var start = 0
  private var shift = 0.0
  /// L⁻¹ by columns, `order` elements from one to the next; computed on first use.
  private var inverse: Buffer<Double>?

  /// Allocates memory for a factor.
  ///
  /// - Parameters:
  ///   - capacity: the largest order.
  ///   - reserve: rows that can be lost and gained between two factorizations.
  public init(capacity: Int, reserve: Int = 0) {
    self.capacity = capacity
    stride = capacity + reserve
    memory = Buffer(count: stride * stride)
  }

  /// True if the memory has room to gain a row.
  public var hasRoom: Bool { start + order < stride }

  /// Factors `A + σI`, with A the rows and columns `rows` of a matrix.
  ///
  /// - Parameters:
  ///   - matrix: symmetric, shape [.., rowStride].
  ///   - rows: indices in the order of the factor; at most `capacity`.
  ///   - shift: σ.
  /// - Throws: `NotPositiveDefinite` naming the failing leading minor.
  /// - Complexity: O(order³).
  public func factor(
    _ matrix: [Double], stride rowStride: Int, rows: [Int], shift: Double
  ) throws(NotPositiveDefinite) {
    let order = rows.count
    precondition(order <= capacity, "an order of \(order) in a factor of \(capacity)")
    (self.order, start, self.shift, inverse) = (0, 0, shift, nil)
    for (j, column) in rows.enumerated() {
      for i in j..<order { memory.pointer[j * stride + i] = matrix[rows[i] * rowStride + column] }
      memory.pointer[j * stride + j] += shift
    }
    var n = Int32(order)
    var lda = Int32(max(stride, 1))
    var info: Int32 = 0
    dpotrf_("L", &n, memory.pointer, &lda, &info)
    precondition(info >= 0, "dpotrf: argument \(-info)")
    guard info == 0 else {
      throw NotPositiveDefinite(minor: Int(info), order: order, shift: shift)
    }
    self.order = order
  }

  /// Factors `AᵀA + σI` without forming it, by an orthogonal factorization of `[A; √σ I]`.
  ///
  /// The error of L is that of rounding √(σ + ‖A‖²). The error of `factor(_:stride:rows:shift:)` is
  /// that of rounding σ + ‖A‖².
  ///
  /// - Parameters:
  ///   - rows: A [k, order]; order at most `capacity`.
  ///   - shift: σ > 0.
  /// - Complexity: O((k + order)·order²).
  public func factor(productsOf rows: TallRows, shift: Double) {
    let order = rows.columns
    precondition(order <= capacity && shift > 0, "an order of \(order) in \(capacity), σ \(shift)")
    (start, self.shift, inverse) = (0, shift, nil)
    let triangle = rows.shifted(by: shift).triangle().numbers
    for j in 0..<order {
      // L = Rᵀ, with a positive diagonal.
      let sign: Double = triangle[j * order + j] < 0 ? -1 : 1
      for i in j..<order { memory.pointer[j * stride + i] = sign * triangle[i * order + j] }
    }
    self.order = order
  }

  /// Estimates the condition number of L with its rows scaled to norm 1. It bounds how much an
  /// error in L, relative to each row, grows in the diagonal of the inverse.
  ///
  /// - Complexity: O(order²).
  public func scaledCondition() -> Double {
    guard order > 0 else { return 1 }
    let triangle = Buffer<Double>(count: order * order)
    for i in 0..<order {
      let norm = (0...i).reduce(0) {
        $0 + first[$1 * stride + i] * first[$1 * stride + i]
      }.squareRoot()
      for j in 0...i { triangle.pointer[j * order + i] = first[j * stride + i] / norm }
    }
    var (n, info, reciprocal) = (Int32(order), Int32(0), 0.0)
    var work = [Double](repeating: 0, count: 3 * order)
    var integers = [Int32](repeating: 0, count: order)
    dtrcon_("1", "L", "N", &n, triangle.pointer, &n, &reciprocal, &work, &integers, &info)
    precondition(info == 0, "dtrcon: \(info)")
    return 1 / reciprocal
  }

  /// Updates the factor after A loses its first row and column.
  ///
  /// With `A = [a, bᵀ; b, C]` and `L = [l, 0; x, M]`, `C + σI = MMᵀ + xxᵀ`: a rank-one update of M
  /// by rotations, which is backward stable. Gill, Golub, Murray and Saunders, 1974.
  ///
  /// - Complexity: O(order²).
  public func removeFirst() {
    precondition(order > 0, "no row to remove")
    let column = first
    (start, order, inverse) = (start + 1, order - 1, nil)
    ck_rank_one_update(first, stride, order, column + 1)
  }

  /// Updates the factor after A gains a last row and column.
  ///
  /// - Parameters:
  ///   - row: the new row of A up to the diagonal, shape [order].
  ///   - diagonal: the new row's last element, including σ.
  /// - Throws: `NotPositiveDefinite` if the larger matrix is not; the factor does not change.
  /// - Complexity: O(order²).
  public func append(row: [Double], diagonal: Double) throws(NotPositiveDefinite) {
    precondition(
      hasRoom && order < capacity && row.count == order,
      "a row of \(row.count) for an order of \(order) in a factor of \(capacity)")
    var y = row
    solveLower(&y, transposed: false)
    var rest = diagonal
    for value in y { rest -= value * value }
    // A smaller rest consists of rounding errors.
    guard rest > Double(order + 1) * diagonal.ulp else {
      throw NotPositiveDefinite(minor: order + 1, order: order + 1, shift: shift)
    }
    for (j, value) in y.enumerated() { first[j * stride + order] = value }
    first[order * stride + order] = rest.squareRoot()
    (order, inverse) = (order + 1, nil)
  }

  /// Solves `(A + σI) x = b`.
  ///
  /// - Parameter b: right-hand side, shape [order].
  /// - Returns: x, shape [order].
  /// - Complexity: O(order²).
  public func solve(_ b: [Double]) -> [Double] {
    precondition(b.count == order, "a right-hand side of \(b.count) for an order of \(order)")
    var x = b
    solveLower(&x, transposed: false)
    solveLower(&x, transposed: true)
    return x
  }

  /// Computes `B ← L⁻¹B` in place.
  ///
  /// - Parameters:
  ///   - b: shape [order, columns], row-major.
  /// - Complexity: O(order²·columns), at the speed of a matrix product, and once O(order³).
  public func solveLower(_ b: UnsafeMutablePointer<Double>, columns: Int) {
    guard order > 0, columns > 0 else { return }
    // OpenBLAS solves with a triangle at half the speed of multiplying by one. L⁻¹ by columns is
    // its transpose by rows.
    cblas_dtrmm(
      CblasRowMajor, CblasLeft, CblasUpper, CblasTrans, CblasNonUnit, blasint(order),
      blasint(columns), 1, inverseTriangle().pointer, blasint(order), b, blasint(columns))
  }

  /// Returns the diagonal of `(A + σI)⁻¹ = L⁻ᵀL⁻¹`, shape [order].
  ///
  /// - Complexity: O(order³) on first use.
  public func inverseDiagonal() -> [Double] {
    let inverse = inverseTriangle()
    return (0..<order).map { column in
      inverse[column * order + column..<(column + 1) * order].reduce(0) { $0 + $1 * $1 }
    }
  }

  private func inverseTriangle() -> Buffer<Double> {
    if let inverse { return inverse }
    let triangle = Buffer<Double>(count: order * order)
    for j in 0..<order {
      for i in j..<order { triangle.pointer[j * order + i] = first[j * stride + i] }
    }
    var n = Int32(order)
    var lda = Int32(max(order, 1))
    var info: Int32 = 0
    dtrtri_("L", "N", &n, triangle.pointer, &lda, &info)
    precondition(info == 0, "dtrtri: \(info)")
    inverse = triangle
    return triangle
  }

  /// Returns `L⁻¹b`.
  ///
  /// - Parameter b: shape [order].
  /// - Complexity: O(order²).
  public func solveLower(_ b: [Double]) -> [Double] {
    precondition(b.count == order, "a right-hand side of \(b.count) for an order of \(order)")
    var x = b
    solveLower(&x, transposed: false)
    return x
  }

  /// Solves `(A + σI) x = e` for the last unit vector e, in half the time of any other.
  public func solveLastUnit() -> [Double] {
    var x = [Double](repeating: 0, count: order)
    guard order > 0 else { return x }
    x[order - 1] = 1 / first[(order - 1) * stride + order - 1]
    solveLower(&x, transposed: true)
    return x
  }

  /// L as a stored array, shape [order, order], zeros above its diagonal.
  public var array: StoredArray {
    StoredArray(
      "factor", order: order,
      element: { [self] i, j in j <= i ? first[j * stride + i] : 0 },
      restore: { [self] i, j, number in
        guard i != j || number > 0 else {
          throw StoredArrayError("\(number) on the diagonal of a Cholesky factor, at row \(i)")
        }
        if j <= i { first[j * stride + i] = number }
      })
  }

  /// Restores the state of another process; `array` then restores the numbers.
  ///
  /// - Parameters:
  ///   - order: the stored factor's order.
  ///   - start: the rows that it had lost.
  ///   - shift: σ.
  /// - Throws: `StoredArrayError` if the factor has no room for that state.
  public func resume(order: Int, start: Int, shift: Double) throws(StoredArrayError) {
    guard (0...capacity).contains(order), (0...stride - order).contains(start) else {
      throw StoredArrayError(
        "a factor of order \(order) after \(start) rows lost, in room for \(capacity) and \(stride)"
      )
    }
    (self.order, self.start, self.shift, inverse) = (order, start, shift, nil)
  }

  private var first: UnsafeMutablePointer<Double> { memory.pointer + start * (stride + 1) }

  private func solveLower(_ x: inout [Double], transposed: Bool) {
    cblas_dtrsv(
      CblasColMajor, CblasLower, transposed ? CblasTrans : CblasNoTrans, CblasNonUnit,
      blasint(order), first, blasint(max(stride, 1)), &x, 1)
  }
}
