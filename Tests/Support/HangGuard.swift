import Foundation
import Synchronization

/// Kills a process that exceeds its time limit, with all processes that it has started.
final class HangGuard: Sendable {
  private enum State: Int, AtomicRepresentable { case waiting, ended, killed }

  private let state = Atomic(State.waiting)

  init(of process: pid_t, limit: Double) {
    DispatchQueue.global().asyncAfter(deadline: .now() + limit) { [weak self] in
      guard let self else { return }
      let (isWaiting, _) = state.compareExchange(
        expected: .waiting, desired: .killed, ordering: .sequentiallyConsistent)
      if isWaiting { Self.killAll(startedBy: process) }
    }
  }

  /// Ends the guard, and returns whether it has killed the process.
  func end() -> Bool { state.exchange(.ended, ordering: .sequentiallyConsistent) == .killed }

  /// Kills the descendants of a process: a launcher's ranks have their own process groups, and are
  /// found by their parents.
  private static func killAll(startedBy process: pid_t) {
    let parents = parents()
    var family: Set = [process]
    var count = 0
    while count < family.count {
      count = family.count
      for (child, parent) in parents where family.contains(parent) { family.insert(child) }
    }
    for member in family { kill(member, SIGKILL) }
    kill(-process, SIGKILL)
  }

  /// Returns the parent of each process of this machine; proc(5).
  private static func parents() -> [pid_t: pid_t] {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
    return names.compactMap { pid_t($0) }.reduce(into: [:]) { parents, process in
      guard let stat = try? String(contentsOfFile: "/proc/\(process)/stat", encoding: .utf8) else {
        return
      }
      // The name before these fields, in parentheses, may have any characters.
      let fields = stat.split(separator: ")").last?.split(separator: " ") ?? []
      parents[process] = fields.count > 1 ? pid_t(fields[1]) : nil
    }
  }
}
