import COpenBLAS

/// Keeps rows A [k, n] of a tall matrix for their products AᵀA; replaces more than n rows by n rows
/// with the same products.
///
/// These rows are the triangle R of `A = QR`. AᵀA itself is never formed: it would square the
/// condition number, and lose twice the digits. Pieces of a matrix can be joined in any tree
/// (Demmel, Grigori, Hoemmen and Langou, "Communication-optimal parallel and sequential QR and LU
/// factorizations", 2012).
public struct TallRows: Sendable {
  /// n.
  public let columns: Int
  /// k.
  public let count: Int
  /// A, column by column, shape [n, k].
  public let numbers: [Double]

  /// Wraps the numbers of A.
  ///
  /// - Parameters:
  ///   - columns: n.
  ///   - numbers: A, column by column, shape [n, k].
  public init(columns: Int, numbers: [Double]) {
    precondition(
      columns > 0 && numbers.count % columns == 0, "\(numbers.count) numbers in \(columns) columns")
    self.columns = columns
    self.numbers = numbers
    count = numbers.count / columns
  }

  /// Returns the rows of `self` followed by those of `other`, reduced to at most n.
  ///
  /// - Complexity: O(kn²) if there are more than n.
  public func joined(with other: TallRows) -> TallRows {
    precondition(columns == other.columns, "rows of \(columns) and of \(other.columns)")
    let (above, below) = (count, other.count)
    var all: [Double] = []
    all.reserveCapacity(columns * (above + below))
    for column in 0..<columns {
      all += numbers[column * above..<(column + 1) * above]
      all += other.numbers[column * below..<(column + 1) * below]
    }
    return TallRows(columns: columns, numbers: all).reduced()
  }

  /// Returns at most n rows with the same products.
  ///
  /// - Complexity: O(kn²) if there are more than n.
  public func reduced() -> TallRows { count > columns ? triangle() : self }

  /// Returns the triangle R of `A = QR`, shape [min(k, n), n], by Householder reflections.
  ///
  /// - Complexity: O(kn²).
  public func triangle() -> TallRows {
    let order = min(count, columns)
    guard order > 0 else { return self }
    var a = numbers
    var (k, n) = (Int32(count), Int32(columns))
    var (info, size): (Int32, Int32) = (0, -1)
    var tau = [Double](repeating: 0, count: order)
    var best = [0.0]
    dgeqrf_(&k, &n, &a, &k, &tau, &best, &size, &info)
    precondition(info == 0, "dgeqrf: \(info)")
    size = Int32(best[0])
    var work = [Double](repeating: 0, count: Int(size))
    dgeqrf_(&k, &n, &a, &k, &tau, &work, &size, &info)
    precondition(info == 0, "dgeqrf: \(info)")
    var upper = [Double](repeating: 0, count: order * columns)
    for column in 0..<columns {
      for row in 0..<min(column + 1, order) {
        upper[column * order + row] = a[column * count + row]
      }
    }
    return TallRows(columns: columns, numbers: upper)
  }

  /// Returns A above `√σ·I`, whose products are `AᵀA + σI`.
  public func shifted(by shift: Double) -> TallRows {
    let height = count + columns
    var all = [Double](repeating: 0, count: height * columns)
    for column in 0..<columns {
      for row in 0..<count { all[column * height + row] = numbers[column * count + row] }
      all[column * height + count + column] = shift.squareRoot()
    }
    return TallRows(columns: columns, numbers: all)
  }

  /// Returns the singular values of A, shape [n], in decreasing order. Their squares are the
  /// eigenvalues of AᵀA; the small ones have twice the digits that AᵀA holds.
  ///
  /// - Complexity: O(kn²).
  public func singularValues() -> [Double] {
    let triangle = triangle()
    let order = triangle.count
    guard order > 0 else { return [Double](repeating: 0, count: columns) }
    guard triangle.numbers.allSatisfy(\.isFinite) else {
      return [Double](repeating: .infinity, count: columns)
    }
    var a = triangle.numbers
    var (k, n, one) = (Int32(order), Int32(columns), Int32(1))
    var (info, size): (Int32, Int32) = (0, -1)
    var values = [Double](repeating: 0, count: order)
    var (integers, best, none) = ([Int32](repeating: 0, count: 8 * order), [0.0], [0.0, 0])
    var second = none
    dgesdd_(
      "N", &k, &n, &a, &k, &values, &none, &one, &second, &one, &best, &size, &integers, &info)
    precondition(info == 0, "dgesdd: \(info)")
    size = Int32(best[0])
    var work = [Double](repeating: 0, count: Int(size))
    dgesdd_(
      "N", &k, &n, &a, &k, &values, &none, &one, &second, &one, &work, &size, &integers, &info)
    precondition(info == 0, "dgesdd: \(info)")
    return values + [Double](repeating: 0, count: columns - order)
  }
}
