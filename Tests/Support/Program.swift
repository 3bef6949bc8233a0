import Foundation

/// Runs a built program from outside, as a user does.
package enum Program {
  package struct Outcome {
    package let status: Int32
    package let output: String
    package let errors: String
    package let seconds: Double
  }

  /// The error about a program that has exceeded its time limit.
  package struct Hang: Error, CustomStringConvertible {
    let command: [String]
    let seconds: Double

    package var description: String {
      "not ended after \(seconds) s, and killed: \(command.joined(separator: " "))"
    }
  }

  /// The package's directory.
  package static let package = URL(filePath: #filePath)
    .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent().path

  /// The directory of the built programs, which also holds the tests.
  package static let directory = Bundle.main.bundleURL.path
  package static let train = "\(directory)/swift-mfac-train"
  package static let prune = "\(directory)/swift-mfac-prune"
  package static let fisher = "\(directory)/swift-mfac-fisher"
  package static let bench = "\(directory)/swift-mfac-bench"
  package static let report = "\(directory)/swift-mfac-report"
  package static let ranksCheck = "\(directory)/ranks-check"

  /// Reads a JSON file that a program has written.
  package static func record<Record: Decodable>(
    _ type: Record.Type = Record.self, in path: String
  ) throws -> Record {
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    return try decoder.decode(type, from: Data(contentsOf: URL(filePath: path)))
  }

  /// Runs `swift-mfac-train`, without a launcher if `ranks` is nil.
  package static func train(ranks: Int? = nil, _ arguments: [String]) throws -> Outcome {
    try run(process(ranks: ranks, arguments))
  }

  /// Prepares a process, without a launcher if `ranks` is nil.
  ///
  /// - Parameter graceSeconds: seconds between the launcher's request to end and the kill of its
  ///   ranks. Open MPI's default, one second, serves ranks that save on a signal. Other failing
  ///   jobs need no grace.
  package static func process(
    ranks: Int?, program: String = train, graceSeconds: Int = 0, _ arguments: [String]
  ) -> Process {
    let process = Process()
    if let ranks {
      process.executableURL = URL(filePath: "\(package)/Launch/local.sh")
      process.arguments = ["-n", "\(ranks)", program] + arguments
      process.environment = ProcessInfo.processInfo.environment.merging([
        "OMPI_MCA_odls_base_sigkill_timeout": "\(graceSeconds)"
      ]) { $1 }
    } else {
      process.executableURL = URL(filePath: program)
      process.arguments = arguments
    }
    return process
  }

  /// Runs a process to its end.
  ///
  /// - Parameter limit: the seconds after which the process counts as hanging.
  /// - Throws: `Hang`, after the process and all that it has started were killed.
  package static func run(_ process: Process, limit: Double = 120) throws -> Outcome {
    // Files instead of pipes: nothing has to read them while the process runs.
    let directory = try TemporaryDirectory()
    let (out, err) = (directory.path("out"), directory.path("err"))
    for path in [out, err] { try Data().write(to: URL(filePath: path)) }
    process.standardOutput = FileHandle(forWritingAtPath: out)
    process.standardError = FileHandle(forWritingAtPath: err)
    process.standardInput = FileHandle.nullDevice
    // A launcher that ends removes the session directory, which launchers that are starting share.
    process.environment = (process.environment ?? ProcessInfo.processInfo.environment).merging([
      "OMPI_MCA_orte_tmpdir_base": directory.root
    ]) { $1 }
    let start = Date()
    // A child inherits its parent's blocked signals, and a test's thread blocks most: the run would
    // not receive a signal to end.
    var (none, local) = (sigset_t(), sigset_t())
    sigemptyset(&none)
    pthread_sigmask(SIG_SETMASK, &none, &local)
    defer { pthread_sigmask(SIG_SETMASK, &local, nil) }
    try process.run()
    let guardian = HangGuard(of: process.processIdentifier, limit: limit)
    process.waitUntilExit()
    if guardian.end() {
      let command = [process.executableURL?.path ?? ""] + (process.arguments ?? [])
      throw Hang(command: command, seconds: limit)
    }
    // The event library of a launcher that kills its ranks at once warns about closed pipes.
    let errors = try String(contentsOfFile: err, encoding: .utf8)
      .replacing(/\[warn\] Epoll [^\n]*\n/, with: "")
    return Outcome(
      status: process.terminationStatus, output: try String(contentsOfFile: out, encoding: .utf8),
      errors: errors,
      seconds: Date().timeIntervalSince(start))
  }

  /// Returns the process of a rank, found by its arguments and its launcher's environment.
  package static func rank(_ rank: Int, runningWith argument: String) -> pid_t? {
    process(with: argument) {
      $0.hasPrefix("\(train)\0") && $1.contains("OMPI_COMM_WORLD_RANK=\(rank)\0")
    }
  }

  /// Returns the launcher that started ranks with this argument.
  package static func launcher(runningWith argument: String) -> pid_t? {
    process(with: argument) { command, _ in command.hasPrefix("mpirun\0") }
  }

  /// Returns whether any process has this argument.
  package static func isRunning(with argument: String) -> Bool {
    process(with: argument) { _, _ in true } != nil
  }

  private static func process(
    with argument: String, _ isMeant: (_ command: String, _ environment: String) -> Bool
  ) -> pid_t? {
    let processes = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
    return processes.compactMap { pid_t($0) }.first { process in
      func text(_ name: String) -> String {
        let bytes = FileManager.default.contents(atPath: "/proc/\(process)/\(name)") ?? Data()
        return String(decoding: bytes, as: UTF8.self)
      }
      let command = text("cmdline")
      return command.contains(argument) && isMeant(command, text("environ"))
    }
  }
}
