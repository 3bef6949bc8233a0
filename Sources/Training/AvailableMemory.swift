import Glibc

/// Bytes of memory that this machine, or the narrowest control group around this process, has left;
/// `nil` where neither says.
func availableMemory() -> Int? {
  var limits: [Int] = []
  if let kilobytes = number(in: "/proc/meminfo", after: "MemAvailable:") {
    limits.append(kilobytes * 1024)
  }
  for line in lines(of: "/proc/self/cgroup") {
    // "0::/path" is version 2, "4:memory:/path" version 1.
    let parts = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
    guard parts.count == 3, parts[1].isEmpty || parts[1] == "memory" else { continue }
    let (root, limit, used) =
      parts[1].isEmpty
      ? ("/sys/fs/cgroup", "memory.max", "memory.current")
      : ("/sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes")
    // A group lives within the limits of those above it.
    var path = parts[2].split(separator: "/")
    while true {
      let group = ([root] + path.map(String.init)).joined(separator: "/")
      if let limit = number(in: "\(group)/\(limit)"), let used = number(in: "\(group)/\(used)") {
        // Pages of files that can be dropped at any time are counted as used.
        let droppable = number(in: "\(group)/memory.stat", after: "inactive_file ") ?? 0
        limits.append(max(0, limit - used + droppable))
      }
      if path.isEmpty { break }
      path.removeLast()
    }
  }
  return limits.min()
}

/// The most bytes that this program has had in memory; `getrusage` would count those of who started it.
package func peakMemory() -> Int {
  1024 * (number(in: "/proc/self/status", after: "VmHWM:") ?? 0)
}

/// The first number of the first line that begins with `key`.
private func number(in path: String, after key: String = "") -> Int? {
  lines(of: path).first { $0.hasPrefix(key) }.flatMap { line in
    Int(line.dropFirst(key.count).drop(while: \.isWhitespace).prefix(while: \.isNumber))
  }
}

func lines(of path: String) -> [Substring] {
  guard let file = fopen(path, "r") else { return [] }
  defer { fclose(file) }
  var bytes = [UInt8](repeating: 0, count: 1 << 16)
  let count = fread(&bytes, 1, bytes.count, file)
  return String(decoding: bytes[..<count], as: UTF8.self).split(separator: "\n")
}
