/// Products with symmetric matrices, their decompositions, and what vectors need, by BLAS and LAPACK
/// in single and double precision. Matrices are row-major.
public protocol SymmetricMatrices: BitwiseCopyable {
  /// `C ← α·XᵀX + β·C`, the lower triangle of C alone; X [rows, columns], C [columns, columns].
  static func addGram(
    rows: Int, columns: Int, alpha: Self, _ x: UnsafePointer<Self>, beta: Self,
    to c: UnsafeMutablePointer<Self>)

  /// `Y = A X` or, from the right, `Y = X A`: A symmetric, of which the lower triangle is read;
  /// X and Y [rows, columns].
  static func symmetricProduct(
    rows: Int, columns: Int, _ a: UnsafePointer<Self>, fromRight: Bool, _ x: UnsafePointer<Self>,
    into y: UnsafeMutablePointer<Self>)

  /// `A = Q diag(e) Qᵀ` by divide and conquer.
  ///
  /// - Parameters:
  ///   - matrix: [order, order], finite, of which the lower triangle is read; becomes Qᵀ, an
  ///     eigenvector a row.
  ///   - values: becomes e, in increasing order.
  /// - Returns: whether it converged.
  static func decompose(
    order: Int, _ matrix: UnsafeMutablePointer<Self>, values: UnsafeMutablePointer<Self>
  ) -> Bool

  /// `(A + shift·I)⁻¹` by A + shift·I = LLᵀ.
  ///
  /// - Parameter matrix: [order, order], of which the lower triangle is read; becomes the inverse.
  /// - Returns: log det (A + shift·I).
  /// - Throws: `NotPositiveDefinite` naming the failing leading minor.
  static func invert(
    order: Int, _ matrix: UnsafeMutablePointer<Self>, shift: Double
  ) throws(NotPositiveDefinite) -> Double

  /// `x · y`; of single precision summed in double.
  static func dot(count: Int, _ x: UnsafePointer<Self>, _ y: UnsafePointer<Self>) -> Double

  /// `y ← α·x + β·y`.
  static func combine(
    count: Int, alpha: Self, _ x: UnsafePointer<Self>, beta: Self,
    into y: UnsafeMutablePointer<Self>
  )
}
