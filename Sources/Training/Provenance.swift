import Formats
import LinearAlgebra

/// What the bytes of a run depend on beside its settings.
enum Provenance {
  static var arithmetic: String {
    BLAS.coreType + (CPU.fusesMultiplyAdd ? "" : ", no fused multiply-add")
  }

  /// The digest of the program.
  static let program = (try? SHA256.ofFile("/proc/self/exe")) ?? "unknown"
}
