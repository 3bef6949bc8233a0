import CKernels
import COpenBLAS
import Glibc

/// The BLAS library that this process has loaded.
public enum BLAS {
  /// The kernels that OpenBLAS has chosen, such as `Haswell` or `SkylakeX`.
  public static var coreType: String { String(cString: openblas_get_corename()) }

  /// Of OpenBLAS, such as `0.3.21`.
  public static var version: String {
    // OpenBLAS 0.3.21 DYNAMIC_ARCH NO_AFFINITY …
    let words = String(cString: openblas_get_config()).split(separator: " ")
    return words.count > 1 ? String(words[1]) : "unknown"
  }

  /// Makes every product run on the calling thread, so that none depends on a number of threads.
  public static func useOneThread() { openblas_set_num_threads(1) }

  /// Starts the program anew with a better `OPENBLAS_CORETYPE`, where OpenBLAS has chosen kernels far
  /// below what the CPU can do and the user has chosen none. Returns where nothing is to be repaired.
  ///
  /// OpenBLAS chooses by a list of the CPUs that it knows and falls back to its oldest kernels, four
  /// to five times slower, on a newer one. The choice is made while the library is loaded, hence the
  /// new start. Call it first of all, before MPI starts.
  public static func repairCoreType() {
    guard getenv("OPENBLAS_CORETYPE") == nil,
      let better = betterCoreType(than: coreType, x86Level: Int(ck_x86_level()))
    else { return }
    setenv("OPENBLAS_CORETYPE", better, 1)
    execv("/proc/self/exe", CommandLine.unsafeArgv)
    // It could not be started anew: slower, but as right as before.
  }

  /// The core type to ask for instead of `current`, on a CPU of an x86-64 level (1 to 4; 0 where it is
  /// none); `nil` where `current` will do.
  ///
  /// Core types made for AVX2 are left alone on CPUs with AVX-512: OpenBLAS has known such a CPU by
  /// name and chosen them.
  package static func betterCoreType(than current: String, x86Level: Int) -> String? {
    let level =
      switch current.lowercased() {
      case "skylakex", "cooperlake", "sapphirerapids": 4
      case "haswell", "zen", "excavator": 3
      case "sandybridge", "bulldozer", "piledriver", "steamroller": 2
      default: 1
      }
    guard level < min(x86Level, 3) else { return nil }
    return [2: "Sandybridge", 3: "Haswell", 4: "SkylakeX"][x86Level]
  }
}
