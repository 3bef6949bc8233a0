import Glibc

/// Returns the bytes of memory that are left on this machine, or in the narrowest control group
/// around this process; nil if neither is known.
///
/// - Parameter top: a prefix of the system's paths.
package func availableMemory(under top: String = "") -> Int? {
  var limits: [Int] = []
  if let kilobytes = number(in: "\(top)/proc/meminfo", after: "MemAvailable:") {
    limits.append(kilobytes * 1024)
  }
  for line in lines(of: "\(top)/proc/self/cgroup") {
    // "0::/path" is version 2, "4:memory:/path" or "4:cpu,memory:/path" version 1.
    let parts = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
    guard parts.count == 3, parts[1].isEmpty || parts[1].split(separator: ",").contains("memory")
    else { continue }
    let (root, limit, used) =
      parts[1].isEmpty
      ? ("\(top)/sys/fs/cgroup", "memory.max", "memory.current")
      : ("\(top)/sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes")
    // The limits of the groups above apply too.
    var path = parts[2].split(separator: "/")
    while true {
      let group = ([root] + path.map(String.init)).joined(separator: "/")
      if let limit = number(in: "\(group)/\(limit)"), let used = number(in: "\(group)/\(used)") {
        // The usage includes inactive pages of files, which can be dropped at any time.
        let droppable = number(in: "\(group)/memory.stat", after: "inactive_file ") ?? 0
        limits.append(max(0, limit - used + droppable))
      }
      if path.isEmpty { break }
      path.removeLast()
    }
  }
  return limits.min()
}

/// Returns the bytes that this process may still take under `ulimit -v`; nil without a limit.
func availableAddressSpace() -> Int? {
  var limit = rlimit()
  guard getrlimit(__rlimit_resource_t(RLIMIT_AS.rawValue), &limit) == 0,
    let bytes = Int(exactly: limit.rlim_cur)
  else { return nil }
  return max(0, bytes - 1024 * (number(in: "/proc/self/status", after: "VmSize:") ?? 0))
}

/// Returns the largest number of bytes that this program has had in memory. `getrusage` would also
/// count the process that started it.
package func peakMemory() -> Int {
  1024 * (number(in: "/proc/self/status", after: "VmHWM:") ?? 0)
}

/// Returns the first number of the first line that begins with `key`.
private func number(in path: String, after key: String = "") -> Int? {
  lines(of: path).first { $0.hasPrefix(key) }.flatMap { line in
    Int(line.dropFirst(key.count).drop(while: \.isWhitespace).prefix(while: \.isNumber))
  }
}

/// Returns the lines in the first 64 KiB of a system file; none if it cannot be read.
package func lines(of path: String) -> [Substring] {
  guard let file = fopen(path, "r") else { return [] }
  defer { fclose(file) }
  var bytes = [UInt8](repeating: 0, count: 1 << 16)
  let count = fread(&bytes, 1, bytes.count, file)
  return String(decoding: bytes[..<count], as: UTF8.self).split(separator: "\n")
}
