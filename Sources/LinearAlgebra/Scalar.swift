// Vectors are buffers: who computes with them has both.
@_exported import Buffers
import COpenBLAS

/// A scalar that networks, gradients and windows are made of: `Float` for training, `Double` for
/// checking it.
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
  /// `C ← α·op(A)·op(B) + β·C`, row-major.
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

  /// Whether every number of double precision is one of this scalar.
  package static var holdsDoubles: Bool { significandBitCount >= Double.significandBitCount }

  /// The type of stored rows that hold it as it is.
  package static var rowType: RowType { kernels.pointee.type }

  /// Its precision, for messages.
  package static var precision: String { holdsDoubles ? "double" : "single" }
}
