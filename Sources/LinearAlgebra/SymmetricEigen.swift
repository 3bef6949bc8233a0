import COpenBLAS

/// Computes the eigenvalues and eigenvectors of a symmetric matrix, `A = Q diag(e) Qᵀ`, in double
/// precision.
public final class SymmetricEigen {
  /// e, in increasing order.
  public let values: [Double]
  /// Qᵀ, row by row, an eigenvector in each row.
  private let vectors: Buffer<Double>
  private var order: Int { values.count }

  /// Decomposes a matrix.
  ///
  /// - Parameters:
  ///   - matrix: shape [order, order], finite; only the lower triangle is read.
  /// - Complexity: O(order³).
  public init(_ matrix: ArraySlice<Double>, order: Int) {
    precondition(
      matrix.count == order * order, "a matrix of \(matrix.count) numbers for an order of \(order)")
    vectors = Buffer(count: order * order)
    _ = vectors.all.update(fromContentsOf: matrix)
    values = Self.decompose(vectors.pointer, order: order, withVectors: true)
  }

  /// Returns only the eigenvalues, in increasing order, in a fraction of the time.
  public static func values(of matrix: ArraySlice<Double>, order: Int) -> [Double] {
    let copy = Buffer<Double>(count: order * order)
    _ = copy.all.update(fromContentsOf: matrix)
    return decompose(copy.pointer, order: order, withVectors: false)
  }

  /// Overwrites the matrix with the vectors; returns the eigenvalues.
  private static func decompose(
    _ matrix: UnsafeMutablePointer<Double>, order: Int, withVectors: Bool
  ) -> [Double] {
    var values = [Double](repeating: 0, count: order)
    guard order > 0 else { return values }
    var n = Int32(order)
    var (size, integerSize) = (Int32(1 + 6 * order + 2 * order * order), Int32(3 + 5 * order))
    let work = Buffer<Double>(count: Int(size))
    let integers = Buffer<Int32>(count: Int(integerSize))
    var info: Int32 = 0
    // The lower triangle by rows is the upper one by columns.
    dsyevd_(
      withVectors ? "V" : "N", "U", &n, matrix, &n, &values, work.pointer, &size,
      integers.pointer, &integerSize, &info)
    precondition(info == 0, "dsyevd: \(info)")
    return values
  }

  /// Returns the bytes of an instance and of its computation.
  public static func bytes(order: Int) -> Int { 8 * (3 * order * order + 9 * order) }

  /// Returns `Qᵀx`; shapes [order].
  public func rotate(_ x: [Double]) -> [Double] {
    multiply(x, transposed: false)
  }

  /// Returns `Qx`; shapes [order].
  public func rotateBack(_ x: [Double]) -> [Double] {
    multiply(x, transposed: true)
  }

  private func multiply(_ x: [Double], transposed: Bool) -> [Double] {
    precondition(x.count == order, "a vector of \(x.count) for an order of \(order)")
    var y = [Double](repeating: 0, count: order)
    guard order > 0 else { return y }
    cblas_dgemv(
      CblasRowMajor, transposed ? CblasTrans : CblasNoTrans, blasint(order), blasint(order), 1,
      vectors.pointer, blasint(order), x, 1, 0, &y, 1)
    return y
  }

  /// Writes `QᵀB`.
  ///
  /// - Parameters:
  ///   - b: shape [order, columns], row-major.
  ///   - result: same shape, overwritten.
  public func rotate(
    _ b: UnsafePointer<Double>, columns: Int, into result: UnsafeMutablePointer<Double>
  ) {
    guard order > 0, columns > 0 else { return }
    cblas_dgemm(
      CblasRowMajor, CblasNoTrans, CblasNoTrans, blasint(order), blasint(columns), blasint(order),
      1, vectors.pointer, blasint(order), b, blasint(columns), 0, result, blasint(columns))
  }
}
