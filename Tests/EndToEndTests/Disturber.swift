import Foundation
import Mutations
import Support
import Synchronization

/// Kills or signals a run once at a random moment, from a second thread.
final class Disturber: Sendable {
  enum Deed: Equatable {
    /// A process of the run was killed.
    case killed(String)
    /// The run was signalled to end, with one of these statuses.
    case signalled(Set<Int32>)
  }

  /// The moment of the disturbance.
  private enum Moment {
    /// This time after the launch.
    case launch(microseconds: Int)
    /// This many steps later, plus a short time.
    case steps(Int, microseconds: Int)
    /// During the first save after this many more steps, plus a very short time.
    case save(steps: Int, microseconds: Int)
  }

  private let process: Process
  private let run: String
  private let ranks: Int
  private let moment: Moment
  private let choice: Int
  private let victim: Int
  private let deed = Mutex<Deed?>(nil)
  private let isOver = Atomic(false)
  private let hasEnded = DispatchSemaphore(value: 0)

  /// - Parameter run: the run's directory.
  init(_ process: Process, _ run: String, _ ranks: Int, _ draws: inout Draws) {
    (self.process, self.run, self.ranks) = (process, run, ranks)
    choice = draws.next(below: 20)
    victim = draws.next(below: ranks)
    let steps = draws.next(below: 10)
    // Before the program has installed its handlers, the system answers a signal.
    switch choice < 5 ? 9 : draws.next(below: 10) {
    case 0: moment = .launch(microseconds: draws.next(below: 1_500_000))
    case 1...5: moment = .save(steps: steps, microseconds: draws.next(below: 4000))
    default: moment = .steps(1 + steps, microseconds: draws.next(below: 60_000))
    }
  }

  func start() {
    Thread {
      if self.waitForTheMoment() { self.deed.withLock { $0 = self.act() } }
      self.hasEnded.signal()
    }.start()
  }

  /// Returns the disturbance after the run has ended; nil if the run ended first.
  func finish() -> Deed? {
    isOver.store(true, ordering: .relaxed)
    hasEnded.wait()
    return deed.withLock { $0 }
  }

  private func act() -> Deed? {
    switch choice {
    case 0, 1: return signal(SIGUSR1, [85])
    // mpirun kills the ranks after a second and returns its own status.
    case 2: return signal(SIGTERM, [143, 1])
    case 3: return signal(SIGINT, [130, 1])
    case 4:
      // The run saves and continues; then a rank is killed, possibly during the save.
      guard signal(SIGUSR2, []) != nil else { return nil }
      usleep(UInt32(victim) * 7000)
      return kill([Program.rank(victim, runningWith: run)], "rank \(victim) after SIGUSR2")
    case 5, 6:
      let all = (0..<ranks).map { Program.rank($0, runningWith: run) }
      return kill(all, "all ranks")
    case 7: return kill([Program.launcher(runningWith: run)], "mpirun")
    default: return kill([Program.rank(victim, runningWith: run)], "rank \(victim)")
    }
  }

  private func kill(_ victims: [pid_t?], _ name: String) -> Deed? {
    let killed = victims.compactMap { $0 }.filter { Glibc.kill($0, SIGKILL) == 0 }
    return killed.isEmpty ? nil : .killed(name)
  }

  private func signal(_ number: Int32, _ statuses: Set<Int32>) -> Deed? {
    guard process.isRunning, Glibc.kill(process.processIdentifier, number) == 0 else { return nil }
    return .signalled(statuses)
  }

  private func waitForTheMoment() -> Bool {
    switch moment {
    case .launch(let microseconds):
      // Wait until the process exists.
      guard wait(until: { Program.rank(self.victim, runningWith: self.run) != nil }) else {
        return false
      }
      usleep(UInt32(microseconds))
    case .steps(let steps, let microseconds):
      guard waitFor(steps: steps) else { return false }
      usleep(UInt32(microseconds))
    case .save(let steps, let microseconds):
      guard waitFor(steps: steps), wait(until: { !Self.hiddenNames(in: self.run).isEmpty }) else {
        return false
      }
      usleep(UInt32(microseconds))
    }
    return true
  }

  private func waitFor(steps: Int) -> Bool {
    let first = lineCount
    return wait { self.lineCount >= first + steps }
  }

  /// Returns false if the run ends first.
  private func wait(until isTrue: () -> Bool) -> Bool {
    while !isTrue() {
      if isOver.load(ordering: .relaxed) { return false }
      usleep(300)
    }
    return true
  }

  private var lineCount: Int {
    let text = FileManager.default.contents(atPath: "\(run)/metrics.jsonl") ?? Data()
    return text.count { $0 == UInt8(ascii: "\n") }
  }

  /// Returns the names of temporary checkpoint directories of a run.
  static func hiddenNames(in run: String) -> [String] {
    let names = try? FileManager.default.contentsOfDirectory(atPath: "\(run)/checkpoints")
    return (names ?? []).filter { $0.hasPrefix(".") }
  }
}
