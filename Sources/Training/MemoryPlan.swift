import Glibc
import MPI
import Sharding

/// What a run holds in memory on a rank, known before it is allocated.
public struct MemoryPlan: Sendable {
  /// The optimizer: m·d/p of window and its m×m side, or momenta.
  public let optimizer: Int
  /// The parameters [d] and the micro-batches' gradients, a few times [d].
  public let vectors: Int
  /// The network's activations for one micro-batch.
  public let activations: Int

  public var total: Int { optimizer + vectors + activations }

  /// Refuses a plan for which a node does not have the memory. Collective.
  func check(on world: Communicator) throws {
    let available = Self.availableBytes()
    let ranksHere = world.ranksOnThisNode
    try world.agree {
      guard let available, total * ranksHere > available else { return }
      throw InsufficientMemory(plan: self, ranksHere: ranksHere, available: available)
    }
  }

  /// Memory that this machine, or this process's control group, has left; `nil` where it does not say.
  private static func availableBytes() -> Int? {
    func number(_ path: String, after key: String = "") -> Int? {
      guard let file = fopen(path, "r") else { return nil }
      defer { fclose(file) }
      var line = [CChar](repeating: 0, count: 256)
      while fgets(&line, Int32(line.count), file) != nil {
        let text = String(
          decoding: line.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
        guard text.hasPrefix(key) else { continue }
        return Int(text.dropFirst(key.count).drop { $0 == " " }.prefix { $0.isNumber })
      }
      return nil
    }
    var limits: [Int] = []
    if let kilobytes = number("/proc/meminfo", after: "MemAvailable:") {
      limits.append(kilobytes * 1024)
    }
    let group = "/sys/fs/cgroup/memory"
    for (limit, used) in [
      ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"),
      ("\(group)/memory.limit_in_bytes", "\(group)/memory.usage_in_bytes"),
    ] {
      if let limit = number(limit), let used = number(used) { limits.append(limit - used) }
    }
    return limits.min()
  }
}

/// A run that does not fit in memory.
public struct InsufficientMemory: Error, CustomStringConvertible {
  let plan: MemoryPlan
  let ranksHere: Int
  let available: Int

  public var description: String {
    """
    this run needs \(formatBytes(plan.total)) on a rank, of which the optimizer \
    \(formatBytes(plan.optimizer)); with \(ranksHere) on this node that is \
    \(formatBytes(plan.total * ranksHere)), and \(formatBytes(available)) are available \
    (take a smaller --window, or more nodes)
    """
  }
}

/// A number of bytes for people: three digits and a binary unit.
public func formatBytes(_ bytes: Int) -> String {
  var value = Double(bytes)
  for unit in ["B", "KiB", "MiB", "GiB", "TiB"] {
    if value < 1000 || unit == "TiB" {
      return unit == "B"
        ? "\(bytes) B" : "\(formatNumber(value, digits: value < 10 ? 1 : 0)) \(unit)"
    }
    value /= 1024
  }
  fatalError("unreachable")
}

/// A number with a fixed count of digits behind the point.
public func formatNumber(_ value: Double, digits: Int) -> String {
  var text = [CChar](repeating: 0, count: 64)
  _ = withVaList([Int32(digits), value]) { vsnprintf(&text, text.count, "%.*f", $0) }
  return String(decoding: text.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
}
