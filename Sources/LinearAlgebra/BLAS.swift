import CKernels
import COpenBLAS
import Glibc

/// Configures and describes the BLAS library that this process has loaded.
public enum BLAS {
  /// The kernels that OpenBLAS selected, such as `Haswell` or `SkylakeX`.
  public static var coreType: String { String(cString: openblas_get_corename()) }

  /// The version of OpenBLAS, such as `0.3.21`.
  public static var version: String {
    // OpenBLAS 0.3.21 DYNAMIC_ARCH NO_AFFINITY …
    let words = String(cString: openblas_get_config()).split(separator: " ")
    return words.count > 1 ? String(words[1]) : "unknown"
  }

  /// Limits products to the calling thread, so that no result depends on a number of threads.
  public static func useOneThread() { openblas_set_num_threads(1) }

  /// The buffer that OpenBLAS allocates for products: `BUFFER_SIZE` of its `common_x86_64.h`.
  private static let bufferBytes = 128 << 20

  /// Lets OpenBLAS allocate the memory that it keeps for products. If the process may not have that
  /// memory, the first product would retry without end. Call this function before MPI starts.
  ///
  /// - Throws: `InsufficientAddressSpace`.
  public static func takeMemory() throws(InsufficientAddressSpace) {
    // 64 MiB more, because MPI starts next.
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

  /// Restarts the program with a better `OPENBLAS_CORETYPE` if OpenBLAS selected kernels far below
  /// what the CPU can run and the user set none. Returns if nothing needs repair.
  ///
  /// OpenBLAS selects kernels from a list of known CPUs. On a newer CPU it falls back to its oldest
  /// kernels, which are four to five times slower. It selects them while the library is loaded,
  /// hence the restart. Call this function first, before MPI starts.
  public static func repairCoreType() {
    guard getenv("OPENBLAS_CORETYPE") == nil,
      let better = betterCoreType(than: coreType, x86Level: Int(ck_x86_level()))
    else { return }
    setenv("OPENBLAS_CORETYPE", better, 1)
    execv("/proc/self/exe", CommandLine.unsafeArgv)
    // The restart failed: the program runs slower, with correct results.
  }

  /// Returns the core type to request instead of `current` on a CPU of an x86-64 level (1 to 4; 0
  /// on other architectures), or nil if `current` is good enough.
  ///
  /// Core types for AVX2 are accepted on CPUs with AVX-512: OpenBLAS selected them because it knows
  /// the CPU.
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

/// Reports a process limit that leaves no room for the buffer of products.
public struct InsufficientAddressSpace: Error, CustomStringConvertible {
  let bytes: Int

  public var description: String {
    var limit = rlimit()
    getrlimit(__rlimit_resource_t(RLIMIT_AS.rawValue), &limit)
    let limits =
      limit.rlim_cur == rlim_t.max
      ? "the system does not provide it" : "'ulimit -v' allows \(limit.rlim_cur >> 20) MiB in total"
    return """
      there is too little memory to start: OpenBLAS and MPI need \(bytes >> 20) MiB more, but \
      \(limits) (run 'ulimit -v unlimited' first, or request more memory from the scheduler)
      """
  }
}

/// Describes the CPU that this process runs on.
package enum CPU {
  /// True if the CPU has a fused multiply-add. Without it convolutions produce other bits.
  package static var fusesMultiplyAdd: Bool {
    // x86-64 has it from level 3 on. Level 0 is another architecture, where every 64-bit CPU has
    // it.
    let level = ck_x86_level()
    return level == 0 || level >= 3
  }
}
