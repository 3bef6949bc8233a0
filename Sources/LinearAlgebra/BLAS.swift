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

  /// What a product takes beside its matrices: OpenBLAS's buffer, `BUFFER_SIZE` of its
  /// `common_x86_64.h`.
  private static let bufferBytes = 128 << 20

  /// Lets OpenBLAS take the memory that it keeps for products. Where it cannot have it, it would
  /// try for ever in the first of them. Call it before MPI starts.
  ///
  /// - Throws: `InsufficientAddressSpace`.
  public static func takeMemory() throws(InsufficientAddressSpace) {
    // Beside the buffer there is MPI to start.
    let bytes = bufferBytes + (64 << 20)
    let memory = mmap(
      nil, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)
    guard let memory, memory != MAP_FAILED else { throw InsufficientAddressSpace(bytes: bytes) }
    munmap(memory, bytes)
    // Small products need no buffer.
    let n = 128
    let matrix = [Float](repeating: 0, count: n * n)
    var result = matrix
    cblas_sgemm(
      CblasRowMajor, CblasNoTrans, CblasNoTrans, Int32(n), Int32(n), Int32(n), 1, matrix, Int32(n),
      matrix, Int32(n), 0, &result, Int32(n))
  }

  /// Starts the program anew with a better `OPENBLAS_CORETYPE`, where OpenBLAS has chosen kernels
  /// far below what the CPU can do and the user has chosen none. Returns where nothing is to be
  /// repaired.
  ///
  /// OpenBLAS chooses by a list of the CPUs that it knows and falls back to its oldest kernels,
  /// four to five times slower, on a newer one. The choice is made while the library is loaded,
  /// hence the new start. Call it first of all, before MPI starts.
  public static func repairCoreType() {
    guard getenv("OPENBLAS_CORETYPE") == nil,
      let better = betterCoreType(than: coreType, x86Level: Int(ck_x86_level()))
    else { return }
    setenv("OPENBLAS_CORETYPE", better, 1)
    execv("/proc/self/exe", CommandLine.unsafeArgv)
    // It could not be started anew: slower, but as right as before.
  }

  /// The core type to ask for instead of `current`, on a CPU of an x86-64 level (1 to 4; 0 where it
  /// is none); `nil` where `current` will do.
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

/// A limit of the process that leaves no room for the buffer of products.
public struct InsufficientAddressSpace: Error, CustomStringConvertible {
  let bytes: Int

  public var description: String {
    var limit = rlimit()
    getrlimit(__rlimit_resource_t(RLIMIT_AS.rawValue), &limit)
    let limits =
      limit.rlim_cur == rlim_t.max
      ? "the system does not give them" : "'ulimit -v' allows \(limit.rlim_cur >> 20) in all"
    return """
      there is too little memory to start: OpenBLAS and MPI need \(bytes >> 20) MiB more, and \
      \(limits) (type 'ulimit -v unlimited' before, or ask the scheduler for more memory)
      """
  }
}

/// The CPU that this process runs on.
public enum CPU {
  /// True if the CPU has a fused multiply-add. Convolutions have other bits without it.
  public static var fusesMultiplyAdd: Bool {
    // A level of x86-64, where all from the third have it, or 0 elsewhere, where all 64-bit CPUs
    // do.
    let level = ck_x86_level()
    return level == 0 || level >= 3
  }
}
