import Glibc

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
