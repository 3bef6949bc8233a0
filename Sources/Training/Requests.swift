import Glibc
import Synchronization

/// What signals ask of a run, from outside: any rank may be told, and all act together.
struct Requests: OptionSet {
  let rawValue: Int

  /// SIGUSR2: save, and go on.
  static let save = Requests(rawValue: 1)
  /// SIGUSR1: save and stop, to go on later; schedulers send it before they end a job.
  static let pause = Requests(rawValue: 2)
  /// SIGTERM, SIGINT: save and end.
  static let terminate = Requests(rawValue: 4)
  static let interrupt = Requests(rawValue: 8)

  static let all: [Requests] = [.save, .pause, .terminate, .interrupt]

  /// What a run that stops for them ends with: 85 asks a scheduler to queue it again, the others are
  /// what shells know. Nil where it goes on.
  var exitStatus: Int32? {
    if contains(.terminate) { return 128 + SIGTERM }
    if contains(.interrupt) { return 128 + SIGINT }
    return contains(.pause) ? 85 : nil
  }

  private static let pending = Atomic<Int>(0)

  /// From now on the signals are heard, in place of what they did.
  static func listen() {
    _ = take()
    for (number, handler) in [
      (SIGUSR2, { _ in Requests.add(.save) }), (SIGUSR1, { _ in Requests.add(.pause) }),
      (SIGTERM, { Requests.end($0, .terminate) }), (SIGINT, { Requests.end($0, .interrupt) }),
    ] as [(Int32, @convention(c) (Int32) -> Void)] {
      signal(number, handler)
    }
    // A file beyond its limit is an error like that of a full disk.
    signal(SIGXFSZ, SIG_IGN)
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
