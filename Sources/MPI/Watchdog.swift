import COpenMPI
import Glibc

/// Watches one wait of this rank's, and ends the job where it takes too long.
///
/// A rank that has waited up to the limit asks all others where they are. Those that wait too
/// answer, whether or not their own time is up, and so the rank that all of them wait for is not
/// confused with those that wait for it: it is the one that does not answer, because it is stopped,
/// cut off, or computes for longer than the limit.
struct Watchdog {
  /// Of the time that this rank has waited: while it is stopped itself, the others are not late.
  private var seconds = 0.0
  private var last: ContinuousClock.Instant?
  /// When to judge; nil: nobody has been asked.
  private var verdict: Double?
  private var hasDeferred = false
  private var askers: Set<Int> = []
  private var answers: [Int: String] = [:]

  /// How long ranks may take to answer.
  private static func grace(_ limit: Double) -> Double { min(max(limit / 10, 1), 5) }

  /// To be called now and then, from the time on when the wait is no longer a short one.
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
      // What has been answered so far was asked in an earlier wait.
      answers = [:]
      for rank in 0..<world.size where rank != world.rank { try world.note("", to: rank) }
      verdict = seconds + Self.grace(limit)
      return
    }
    guard seconds >= verdict else { return }
    // Of several whose time is up, the lowest one speaks, if it still can.
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
      return wait + "they have all been heard from, and wait too: \(name(answers)) "
        + "(\(setting: "check-collectives") tells where ranks part)"
    }
    return wait + "not heard from: \(name(silent))"
      + (answers.isEmpty ? "" : "; waiting too: \(name(answers))")
  }
}

extension Communicator {
  /// Beside the tags of exchanges; no MPI library's highest is lower.
  private static let noteTag: Int32 = 32767

  /// Sends a short text beside all exchanges: empty, it asks where a rank is.
  fileprivate func note(_ text: String, to rank: Int) throws {
    // Nobody waits until it has left, and so its bytes stay: a few, of a wait that takes very long.
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

  /// The next such text that has come, if any.
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

/// Ends this process where it is stuck in a call from which nobody can look at the clock.
enum TimeLimit {
  /// For a signal's handler, which may not allocate anything.
  private nonisolated(unsafe) static var lastWord = strdup("")!

  /// Begins to count whole seconds; 0: for ever.
  static func begin(_ seconds: Double, saying message: String) {
    free(lastWord)
    lastWord = strdup("Error: \(message)\n")
    signal(SIGALRM) { _ in
      write(STDERR_FILENO, TimeLimit.lastWord, strlen(TimeLimit.lastWord))
      _exit(EXIT_FAILURE)
    }
    // Whoever started this process may have blocked it.
    var alarms = sigset_t()
    sigemptyset(&alarms)
    sigaddset(&alarms, SIGALRM)
    pthread_sigmask(SIG_UNBLOCK, &alarms, nil)
    alarm(UInt32(min(seconds, 1e9).rounded(.up)))
  }

  static func end() { alarm(0) }
}
