import COpenMPI
import Glibc

/// Watches one wait of this rank, and ends the job if it takes too long.
///
/// A rank that reaches the limit asks all others for their status. Ranks that wait answer, whether
/// or not they have reached the limit themselves. The rank that all of them wait for does not
/// answer: it is stopped, disconnected, or computes for longer than the limit.
struct Watchdog {
  /// Seconds that this rank has waited. One look adds at most 1 s: while this rank is stopped
  /// itself, the others are not late.
  private var seconds = 0.0
  private var last: ContinuousClock.Instant?
  /// The value of `seconds` at which to judge; nil until this rank has asked.
  private var verdict: Double?
  private var hasDeferred = false
  private var askers: Set<Int> = []
  private var answers: [Int: String] = [:]

  /// Returns the seconds that ranks have to answer.
  private static func grace(_ limit: Double) -> Double { min(max(limit / 10, 1), 5) }

  /// Checks the wait; called at intervals once a wait is no longer short.
  mutating func look(on world: Communicator) throws {
    let now = ContinuousClock.now
    if let last { seconds += min((now - last) / .seconds(1), 1) }
    last = now
    while let (rank, text) = try world.nextNote() {
      if text.isEmpty {
        askers.insert(rank)
        try world.note("\(world.status)", to: rank)
      } else {
        answers[rank] = text
      }
    }
    let limit = world.watchdogSeconds
    guard limit > 0, seconds >= limit else { return }
    guard let verdict else {
      // Earlier answers belong to an earlier wait.
      answers = [:]
      for rank in 0..<world.size where rank != world.rank { try world.note("", to: rank) }
      verdict = seconds + Self.grace(limit)
      return
    }
    guard seconds >= verdict else { return }
    // The lowest of the ranks that reach the limit reports, if it still can.
    if !hasDeferred, askers.contains(where: { $0 < world.rank }) {
      hasDeferred = true
      self.verdict = seconds + 3 * Self.grace(limit)
      return
    }
    reportError(report(on: world).text(world.settingStyle))
    world.abort(status: 1)
  }

  private func report(on world: Communicator) -> Diagnostic {
    let silent = (0..<world.size).filter { $0 != world.rank && answers[$0] == nil }
    let wait: Diagnostic =
      "rank \(world.rank) has waited \(Int(seconds)) s for other ranks (\(world.status)); "
    if silent.isEmpty {
      return wait + "all of them have answered, and are waiting too: \(name(answers)) "
        + "(\(setting: "check-collectives") shows where ranks diverge)"
    }
    return wait + "not heard from: \(name(silent))"
      + (answers.isEmpty ? "" : "; waiting too: \(name(answers))")
  }
}

extension Communicator {
  /// A tag that no exchange uses; every MPI library supports tags up to 32767.
  private static let noteTag: Int32 = 32767

  /// Sends a short text independent of all exchanges; an empty text asks for the rank's status.
  fileprivate func note(_ text: String, to rank: Int) throws {
    // Nobody waits for this send, so its bytes are never freed: a few per note, in a very long
    // wait.
    let bytes = UnsafeMutableBufferPointer<UInt8>.allocate(capacity: max(text.utf8.count, 1))
    _ = bytes.initialize(from: text.utf8)
    var request = mfac_request_null()
    try MPIError.check(
      "MPI_Isend",
      MPI_Isend(
        bytes.baseAddress, Int32(text.utf8.count), mfac_byte(), Int32(rank), Self.noteTag, handle,
        &request))
    try MPIError.check("MPI_Request_free", MPI_Request_free(&request))
  }

  /// Returns the next such text that has arrived, if any.
  fileprivate func nextNote() throws -> (rank: Int, text: String)? {
    var status = MPI_Status()
    var (isThere, count): (Int32, Int32) = (0, 0)
    try MPIError.check(
      "MPI_Iprobe", MPI_Iprobe(Int32(MPI_ANY_SOURCE), Self.noteTag, handle, &isThere, &status))
    guard isThere != 0 else { return nil }
    try MPIError.check("MPI_Get_count", MPI_Get_count(&status, mfac_byte(), &count))
    var bytes = [UInt8](repeating: 0, count: Int(count))
    try MPIError.check(
      "MPI_Recv",
      MPI_Recv(
        &bytes, count, mfac_byte(), status.MPI_SOURCE, Self.noteTag, handle, nil))
    return (Int(status.MPI_SOURCE), String(decoding: bytes, as: UTF8.self))
  }
}

/// Ends this process if it is stuck in a call during which no code can check the time.
enum TimeLimit {
  /// The message for the signal handler, which must not allocate memory.
  private nonisolated(unsafe) static var lastWord = strdup("")!

  /// Starts the limit, in whole seconds; 0 disables it.
  static func begin(_ seconds: Double, saying message: String) {
    free(lastWord)
    lastWord = strdup("Error: \(message)\n")
    signal(SIGALRM) { _ in
      write(STDERR_FILENO, TimeLimit.lastWord, strlen(TimeLimit.lastWord))
      _exit(EXIT_FAILURE)
    }
    // The parent process may have blocked the signal.
    var alarms = sigset_t()
    sigemptyset(&alarms)
    sigaddset(&alarms, SIGALRM)
    pthread_sigmask(SIG_UNBLOCK, &alarms, nil)
    alarm(UInt32(min(seconds, 1e9).rounded(.up)))
  }

  static func end() { alarm(0) }
}
