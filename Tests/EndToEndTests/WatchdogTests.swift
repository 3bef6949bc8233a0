import Foundation
import Support
import Testing

/// Tests that ranks that wait in vain end the job, and name the ranks for which they have waited.
@Suite(.serialized) struct WatchdogTests {
  /// Trains in `run` and calls `whenTrained` once the network has been saved.
  private func train(
    ranks: Int, in run: String, _ arguments: [String], whenTrained: @escaping @Sendable () -> Void
  ) throws -> Program.Outcome {
    let watcher = Thread {
      while !FileManager.default.fileExists(atPath: "\(run)/model.safetensors") { usleep(10_000) }
      whenTrained()
    }
    watcher.start()
    return try Program.train(
      ranks: ranks,
      ["--dataset", "digits", "--model", "mlp", "--watchdog-seconds", "3", "--run-directory", run]
        + arguments)
  }

  private func errors(_ outcome: Program.Outcome) -> [Substring] {
    outcome.errors.split(separator: "\n").filter { $0.hasPrefix("Error:") }
  }

  /// Waits for the ranks: the launcher may end a moment before those that it has killed.
  private func areGone(_ ranks: Range<Int>, runningWith run: String) -> Bool {
    for _ in 0..<50 {
      if ranks.allSatisfy({ Program.rank($0, runningWith: run) == nil }) { return true }
      usleep(100_000)
    }
    return false
  }

  /// Includes ranks that wait for one that itself waits for the stopped one.
  @Test("a stopped rank is named", arguments: [(2, 0), (3, 1), (4, 3), (5, 2)])
  func stoppedRank(ranks: Int, stopped: Int) throws {
    let directory = try TemporaryDirectory()
    let run = directory.path("run")
    let outcome = try train(ranks: ranks, in: run, ["--epochs", "100000"]) {
      if let victim = Program.rank(stopped, runningWith: run) { kill(victim, SIGSTOP) }
    }
    #expect(outcome.status != 0)
    let messages = errors(outcome)
    try #require(messages.count == 1, "\(outcome.errors)")
    let message = try
      #/
        Error:\ rank\ (\d+)\ has\ waited\ \d+\ s\ for\ other\ ranks\ \(step\ \d+,\ [a-z_]+\);
        \ not\ heard\ from:\ ([^;]*)(;\ waiting\ too:\ .*)?
      /#
      .wholeMatch(in: messages[0])
    let found = try #require(message, "\(messages[0])")
    #expect(found.2 == "rank \(stopped)")
    #expect(found.1 == (stopped == 0 ? "1" : "0"))
    #expect((found.3 != nil) == (ranks > 2))
    #expect(areGone(0..<ranks, runningWith: run))
  }

  /// The ranks ask the launcher to end the job; if it does not, they end themselves.
  @Test("a stopped launcher does not block the ranks") func stoppedLauncher() throws {
    let directory = try TemporaryDirectory()
    let run = directory.path("run")
    let outcome = try train(ranks: 2, in: run, ["--epochs", "100000"]) {
      guard let victim = Program.rank(1, runningWith: run),
        let launcher = Program.launcher(runningWith: run)
      else { return }
      kill(launcher, SIGSTOP)
      kill(victim, SIGSTOP)
      let start = Date()
      while Program.rank(0, runningWith: run) != nil, Date().timeIntervalSince(start) < 60 {
        usleep(100_000)
      }
      kill(launcher, SIGCONT)
    }
    #expect(outcome.status != 0)
    #expect(
      errors(outcome).map { $0.prefix(34) } == [
        "Error: rank 0 has waited 4 s for o", "Error: rank 0: MPI did not end the",
      ])
    #expect(areGone(0..<2, runningWith: run))
  }

  /// Suspends the whole job for a while, like a scheduler, and one rank for less than the limit.
  @Test("a suspended job continues") func suspendedJob() throws {
    let directory = try TemporaryDirectory()
    let run = directory.path("run")
    let arguments = ["--epochs", "40"]
    let outcome = try train(ranks: 3, in: run, arguments) {
      for (ranks, microseconds) in [(0..<3, 6_000_000), (1..<2, 1_500_000)] {
        let processes = ranks.compactMap { Program.rank($0, runningWith: run) }
        for process in processes { kill(process, SIGSTOP) }
        usleep(UInt32(microseconds))
        for process in processes { kill(process, SIGCONT) }
        usleep(100_000)
      }
    }
    try #require(outcome.status == 0, "\(outcome.errors)")
    #expect(outcome.seconds > 7)
    let undisturbed = directory.path("undisturbed")
    _ = try Program.train(
      ["--dataset", "digits", "--model", "mlp", "--run-directory", undisturbed] + arguments)
    let models = try [run, undisturbed].map {
      try trainedNetwork(of: $0)
    }
    #expect(models[0] == models[1])
  }

  /// The rank stops before MPI starts: the ranks have no means to ask each other yet.
  @Test("a rank that never starts ends the job", arguments: [0, 1])
  func missingRank(stopped: Int) throws {
    let program = """
      if [ $OMPI_COMM_WORLD_RANK = \(stopped) ]; then kill -STOP $$; fi
      exec "\(Program.train)" --dataset digits --watchdog-seconds 2
      """
    let outcome = try Program.run(
      Program.process(ranks: 2, program: "bash", ["-c", program]))
    #expect(outcome.status == 1)
    #expect(outcome.errors == "Error: waited 2 s for all ranks to start MPI\n")
  }

  /// A rank that computes does not answer either.
  @Test("a rank that computes for too long is named") func slowRank() throws {
    let outcome = try Program.run(
      Program.process(ranks: 3, program: Program.ranksCheck, ["part-unseen", "computation"]))
    #expect(outcome.status == 1)
    #expect(errors(outcome).count == 1)
    #expect(
      outcome.errors.hasSuffix(
        "; not heard from: rank 2; waiting too: rank 1 (all-gather of numbers)\n"),
      "\(outcome.errors)")
  }

  /// One rank has skipped a sum, which the others can never complete.
  @Test("ranks that wait for each other say where") func mutualWait() throws {
    let outcome = try Program.run(
      Program.process(ranks: 4, program: Program.ranksCheck, ["part-unseen", "skip"]))
    #expect(outcome.status == 1)
    #expect(errors(outcome).count == 1)
    #expect(
      outcome.errors.contains(
        "all of them have answered, and are waiting too: ranks 1-2 (sum), "
          + "rank 3 (all-gather of numbers)"
      ), "\(outcome.errors)")
  }
}
