// Exported because every user of these functions needs buffers as well.
@_exported import Buffers
import COpenBLAS

/// The scalar type of networks, gradients and windows: `Float` for training, `Double` for checking
/// it.
public protocol Scalar: BinaryFloatingPoint, BitwiseCopyable, Sendable {
  /// The loops and products of this scalar, in memory that is never freed.
  static var kernels: UnsafePointer<Kernels<Self>> { get }
}

extension Float: Scalar {
  public nonisolated(unsafe) static let kernels = Kernels.single.inMemory()
}

extension Double: Scalar {
  public nonisolated(unsafe) static let kernels = Kernels.double.inMemory()
}

extension Scalar {
  /// Computes `C ← α·op(A)·op(B) + β·C`, row-major.
  ///
  /// - Parameters:
  ///   - a: op(A) has shape [rows, inner]; `strideA` elements lie between stored rows.
  ///   - b: op(B) has shape [inner, columns].
  ///   - c: shape [rows, columns].
  package static func product(
    rows: Int, columns: Int, inner: Int, alpha: Self,
    a: UnsafePointer<Self>, strideA: Int, transposeA: Bool,
    b: UnsafePointer<Self>, strideB: Int, transposeB: Bool,
    beta: Self, c: UnsafeMutablePointer<Self>, strideC: Int
  ) {
    kernels.pointee.product(
      CblasRowMajor, transposeA ? CblasTrans : CblasNoTrans, transposeB ? CblasTrans : CblasNoTrans,
      blasint(rows), blasint(columns), blasint(inner), alpha, a, blasint(strideA), b,
      blasint(strideB), beta, c, blasint(strideC))
  }

  /// True if this scalar represents every number of double precision.
  package static var holdsDoubles: Bool { significandBitCount >= Double.significandBitCount }

  /// The type of stored rows that hold this scalar without loss.
  package static var rowType: RowType { kernels.pointee.type }

  /// The name of the precision in messages.
  package static var precision: String { holdsDoubles ? "double" : "single" }
}
