import Foundation
import Support
import Testing

/// A preloaded library imitates a CPU unknown to OpenBLAS: unless `OPENBLAS_CORETYPE` is set, it
/// reports that OpenBLAS chose its oldest kernels.
@Suite(.serialized) struct CoreTypeRepairTests {
  static let unknownCPU = """
    #define _GNU_SOURCE
    #include <dlfcn.h>
    #include <stdlib.h>
    char *openblas_get_corename(void) {
      if (!getenv("OPENBLAS_CORETYPE")) return "Prescott";
      return ((char *(*)(void))dlsym(RTLD_NEXT, "openblas_get_corename"))();
    }
    """

  private func coreType(ranks: Int?, environment: [String: String]) throws -> String {
    let directory = try TemporaryDirectory()
    let run = directory.path("run")
    let process = Program.process(
      ranks: ranks,
      ["--dataset", "digits", "--model", "mlp", "--steps", "1", "--run-directory", run])
    process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
    let outcome = try Program.run(process)
    try #require(outcome.status == 0, "\(outcome.errors)")
    // The core type is printed, and recorded in the run's configuration.
    let printed = try #require(outcome.output.firstMatch(of: /OpenBLAS core type (\w+)/)).1
    let recorded = try String(contentsOfFile: "\(run)/config.yaml", encoding: .utf8)
    #expect(recorded.contains("OpenBLAS core type \(printed)"))
    return String(printed)
  }

  @Test("the best kernels are chosen for a CPU unknown to OpenBLAS")
  func unknownProcessor() throws {
    let directory = try TemporaryDirectory()
    let source = try directory.write(Self.unknownCPU, to: "unknown.c")
    let library = directory.path("unknown.so")
    let compiler = Process()
    compiler.executableURL = URL(filePath: "/usr/bin/env")
    compiler.arguments = ["clang", "-shared", "-fPIC", "-o", library, source, "-ldl"]
    try #require(try Program.run(compiler).status == 0)

    for ranks in [nil, 2] {
      let repaired = try coreType(ranks: ranks, environment: ["LD_PRELOAD": library])
      #expect(["Sandybridge", "Haswell", "SkylakeX"].contains(repaired))
    }
    // The user's own choice has priority.
    #expect(try coreType(ranks: nil, environment: ["OPENBLAS_CORETYPE": "Prescott"]) == "Prescott")
  }
}
