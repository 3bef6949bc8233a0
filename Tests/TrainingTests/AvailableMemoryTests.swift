import Foundation
import Support
import Testing
import TrainedModels
import Training

/// Tests the memory still available to a process, from files in Linux's format.
@Suite struct AvailableMemoryTests {
  private func available(_ files: [String: String]) throws -> Int? {
    let top = try TemporaryDirectory()
    for (name, text) in files {
      try top.makeFolder(URL(filePath: name).deletingLastPathComponent().relativePath)
      try top.write(text, to: name)
    }
    return availableMemory(under: top.root)
  }

  private let machine = ["proc/meminfo": "MemTotal: 9000 kB\nMemAvailable:    8000 kB\n"]

  @Test("without control groups the machine is the limit") func machineLimit() throws {
    #expect(try available(machine) == 8000 * 1024)
    #expect(try available([:]) == nil)
    let none = machine.merging([
      "proc/self/cgroup": "0::/a\n", "sys/fs/cgroup/a/memory.max": "max\n",
      "sys/fs/cgroup/a/memory.current": "1000\n",
    ]) { $1 }
    #expect(try available(none) == 8000 * 1024)
  }

  /// The parent group has the lower limit; file pages can be dropped.
  @Test("a control group of version 2 is the limit") func groupVersion2() throws {
    let files = machine.merging([
      "proc/self/cgroup": "0::/job/step\n", "sys/fs/cgroup/job/step/memory.max": "4000000\n",
      "sys/fs/cgroup/job/step/memory.current": "100000\n",
      "sys/fs/cgroup/job/memory.max": "3000000\n", "sys/fs/cgroup/job/memory.current": "900000\n",
      "sys/fs/cgroup/job/memory.stat": "anon 5\ninactive_file 400000\n",
    ]) { $1 }
    #expect(try available(files) == 3_000_000 - 900_000 + 400_000)
  }

  /// A container sees its own group's directory at the top.
  @Test("a control group of version 1 is the limit", arguments: ["memory", "cpu,memory"])
  func groupVersion1(controllers: String) throws {
    let files = machine.merging([
      "proc/self/cgroup": "5:pids:/docker/x\n4:\(controllers):/docker/x\n",
      "sys/fs/cgroup/memory/memory.limit_in_bytes": "2000000\n",
      "sys/fs/cgroup/memory/memory.usage_in_bytes": "2500000\n",
    ]) { $1 }
    #expect(try available(files) == 0)
  }
}
