import Glibc
import Synchronization

/// Requests that signals make of a run. A signal may reach any rank; all ranks act on it together.
package struct Requests: OptionSet {
  package let rawValue: Int

  package init(rawValue: Int) { self.rawValue = rawValue }

  /// SIGUSR2: save a checkpoint and continue.
  static let save = Requests(rawValue: 1)
  /// SIGUSR1: save and stop, to be resumed later; schedulers send it before they end a job.
  static let pause = Requests(rawValue: 2)
  /// SIGTERM and SIGHUP, and below SIGINT: save and end.
  static let terminate = Requests(rawValue: 4)
  static let interrupt = Requests(rawValue: 8)

  static let all: [Requests] = [.save, .pause, .terminate, .interrupt]

  /// Exit status of a run that stops for these requests; nil if it continues. 85 asks a scheduler
  /// to queue the job again; the others are 128 plus the signal's number, as in shells.
  var exitStatus: Int32? {
    if contains(.terminate) { return 128 + SIGTERM }
    if contains(.interrupt) { return 128 + SIGINT }
    return contains(.pause) ? 85 : nil
  }

  private static let pending = Atomic<Int>(0)

  /// Starts to handle the signals that ask for a checkpoint; a request waits for the first step.
  package static func listen() {
    signal(SIGUSR2) { _ in Requests.add(.save) }
    signal(SIGUSR1) { _ in Requests.add(.pause) }
    // Writing beyond the limit of a file's size then fails like writing to a full disk.
    signal(SIGXFSZ, SIG_IGN)
  }

  /// Starts to handle the signals that end a process as well. Before the first step there is
  /// nothing to save.
  static func listenToAll() {
    listen()
    interruptingSignal(SIGTERM) { Requests.end($0, .terminate) }
    interruptingSignal(SIGINT) { Requests.end($0, .interrupt) }
    // SIGHUP means that the terminal has closed; under nohup it is ignored, and stays so.
    let before = signal(SIGHUP) { Requests.end($0, .terminate) }
    if unsafeBitCast(before, to: Int.self) == 1 { signal(SIGHUP, SIG_IGN) }
  }

  /// Installs a handler that interrupts system calls; `signal` would restart them. A launcher that
  /// is ending may no longer read, and a rank that is writing to it must not wait.
  private static func interruptingSignal(
    _ number: Int32, _ handler: @escaping @convention(c) (Int32) -> Void
  ) {
    var action = sigaction()
    action.__sigaction_handler.sa_handler = handler
    sigaction(number, &action, nil)
  }

  /// Returns the requests since the last call, and clears them.
  static func take() -> Requests {
    Requests(rawValue: pending.exchange(0, ordering: .relaxed))
  }

  static func forget(_ request: Requests) {
    pending.bitwiseAnd(~request.rawValue, ordering: .relaxed)
  }

  private static func add(_ request: Requests) {
    pending.bitwiseOr(request.rawValue, ordering: .relaxed)
  }

  /// Adds a request and restores the signal's default action: a second signal terminates at once.
  private static func end(_ number: Int32, _ request: Requests) {
    signal(number, SIG_DFL)
    add(request)
  }
}
