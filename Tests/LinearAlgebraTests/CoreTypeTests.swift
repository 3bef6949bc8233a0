import LinearAlgebra
import Testing

@Suite struct CoreTypeTests {
  @Test(
    "kernels below the CPU's level are replaced",
    arguments: [
      ("Prescott", 4, "SkylakeX"), ("Prescott", 3, "Haswell"), ("Nehalem", 2, "Sandybridge"),
      ("Sandybridge", 3, "Haswell"), ("Core2", 4, "SkylakeX"),
    ])
  func replacedKernels(current: String, level: Int, better: String) {
    #expect(BLAS.betterCoreType(than: current, x86Level: level) == better)
  }

  @Test(
    "kernels that fit the CPU are kept",
    arguments: [
      ("SkylakeX", 4), ("Cooperlake", 4), ("Zen", 4), ("Haswell", 3), ("Sandybridge", 2),
      ("Prescott", 1), ("neoversen1", 0),
    ])
  func fittingKernels(current: String, level: Int) {
    #expect(BLAS.betterCoreType(than: current, x86Level: level) == nil)
  }
}
