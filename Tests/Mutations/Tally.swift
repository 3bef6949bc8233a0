import Foundation
import Synchronization

/// The number of cases that a reader accepted, and that it refused.
public struct Tally {
  public private(set) var accepted = 0
  public private(set) var refused = 0

  /// Runs numbered cases.
  ///
  /// A case that takes more than a minute counts as a hang, and ends the process.
  ///
  /// - Parameter refusal: the error that refuses a case; any other error is thrown.
  public init<Refusal: Error>(
    _ count: Int, refusing refusal: Refusal.Type, _ body: (Int) throws -> Void
  ) throws {
    let current = CurrentCase()
    Thread { current.watch() }.start()
    defer { current.end() }
    for number in 0..<count {
      current.begin(number)
      do {
        try body(number)
        accepted += 1
      } catch is Refusal {
        refused += 1
      }
    }
  }
}

/// The current case, watched by another thread.
private final class CurrentCase: Sendable {
  private let number = Atomic(0)

  func begin(_ number: Int) { self.number.store(number, ordering: .relaxed) }
  func end() { number.store(-1, ordering: .relaxed) }

  func watch() {
    var (last, seconds) = (0, 0)
    while last >= 0 {
      sleep(1)
      let now = number.load(ordering: .relaxed)
      seconds = now == last ? seconds + 1 : 0
      precondition(seconds < 60, "case \(now) has not ended in a minute")
      last = now
    }
  }
}

/// Limits the process to little more memory than it has now: a reader that trusts a size of
/// gigabytes fails.
public func limitMemory() {
  // OpenBLAS, which other tests link, takes up to 128 MB for each of its threads on first use, and
  // hangs at exit if it cannot.
  let room = (256 + 160 * ProcessInfo.processInfo.processorCount) << 20
  let sizes = try? String(contentsOfFile: "/proc/self/statm", encoding: .utf8)
  guard let pages = sizes?.split(separator: " ").first.flatMap({ Int($0) }) else {
    preconditionFailure("/proc/self/statm says '\(sizes ?? "")'")
  }
  let size = UInt(pages * Int(getpagesize()) + room)
  var limit = rlimit(rlim_cur: size, rlim_max: size)
  precondition(setrlimit(__rlimit_resource_t(RLIMIT_AS.rawValue), &limit) == 0)
  // mmap, because the optimizer assumes that malloc succeeds.
  let block = mmap(nil, 2 * room, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
  precondition(block == MAP_FAILED, "the limit does not hold")
}
