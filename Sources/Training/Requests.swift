import Glibc
import Synchronization

/// What signals ask of a run, from outside: any rank may be told, and all act together.
package struct Requests: OptionSet {
  package let rawValue: Int

  package init(rawValue: Int) { self.rawValue = rawValue }

  /// SIGUSR2: save, and go on.
  static let save = Requests(rawValue: 1)
  /// SIGUSR1: save and stop, to go on later; schedulers send it before they end a job.
  static let pause = Requests(rawValue: 2)
  /// SIGTERM, SIGHUP, SIGINT: save and end.
  static let terminate = Requests(rawValue: 4)
  static let interrupt = Requests(rawValue: 8)

  static let all: [Requests] = [.save, .pause, .terminate, .interrupt]

  /// What a run that stops for them ends with: 85 asks a scheduler to queue it again, the others
  /// are what shells know. Nil where it goes on.
  var exitStatus: Int32? {
    if contains(.terminate) { return 128 + SIGTERM }
    if contains(.interrupt) { return 128 + SIGINT }
    return contains(.pause) ? 85 : nil
  }

  private static let pending = Atomic<Int>(0)

  /// From now on signals that ask for a checkpoint are heard, and wait for the first step.
  package static func listen() {
    signal(SIGUSR2) { _ in Requests.add(.save) }
    signal(SIGUSR1) { _ in Requests.add(.pause) }
    // A file beyond its limit is an error like that of a full disk.
    signal(SIGXFSZ, SIG_IGN)
  }

  /// From now on those that end a process are heard too. Before the first step there is nothing to
  /// save.
  static func listenToAll() {
    listen()
    interruptingSignal(SIGTERM) { Requests.end($0, .terminate) }
    interruptingSignal(SIGINT) { Requests.end($0, .interrupt) }
    // The terminal has gone; under nohup that is no reason to end.
    let before = signal(SIGHUP) { Requests.end($0, .terminate) }
    if unsafeBitCast(before, to: Int.self) == 1 { signal(SIGHUP, SIG_IGN) }
  }

  /// A launcher that is told to end may read no more: who is just telling it something is to go on,
  /// which `signal` would not let it, for it starts system calls anew.
  private static func interruptingSignal(
    _ number: Int32, _ handler: @escaping @convention(c) (Int32) -> Void
  ) {
    var action = sigaction()
    action.__sigaction_handler.sa_handler = handler
    sigaction(number, &action, nil)
  }

  /// What has been asked for since the last time.
  static func take() -> Requests {
    Requests(rawValue: pending.exchange(0, ordering: .relaxed))
  }

  static func forget(_ request: Requests) {
    pending.bitwiseAnd(~request.rawValue, ordering: .relaxed)
  }

  private static func add(_ request: Requests) {
    pending.bitwiseOr(request.rawValue, ordering: .relaxed)
  }

  /// Whoever asks twice does not want to wait for a step's end.
  private static func end(_ number: Int32, _ request: Requests) {
    signal(number, SIG_DFL)
    add(request)
  }
}
