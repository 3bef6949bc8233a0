import Foundation

/// A built program, run from outside as a user runs it.
package enum Program {
  package struct Outcome {
    package let status: Int32
    package let output: String
    package let errors: String
    package let seconds: Double
  }

  /// A program that has not ended in its time.
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

  /// The directory of the built programs, which is that of the tests themselves.
  package static let directory = Bundle.main.bundleURL.path
  package static let train = "\(directory)/swift-mfac-train"
  package static let prune = "\(directory)/swift-mfac-prune"
  package static let fisher = "\(directory)/swift-mfac-fisher"
  package static let bench = "\(directory)/swift-mfac-bench"
  package static let report = "\(directory)/swift-mfac-report"
  package static let ranksCheck = "\(directory)/ranks-check"

  /// Reads what a program has written as JSON.
  package static func record<Record: Decodable>(
    _ type: Record.Type = Record.self, in path: String
  ) throws -> Record {
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    return try decoder.decode(type, from: Data(contentsOf: URL(filePath: path)))
  }

  /// Runs `swift-mfac-train`, without a launcher where `ranks` is nil.
  package static func train(ranks: Int? = nil, _ arguments: [String]) throws -> Outcome {
    try run(process(ranks: ranks, arguments))
  }

  /// Prepares a process, without a launcher where `ranks` is nil.
  ///
  /// - Parameter graceSeconds: how long the launcher leaves ranks alive that it has asked to end.
  ///   Open MPI's own second is for ranks that still save something; any other job that fails would
  ///   only be waited for.
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
  /// - Parameter limit: after so many seconds it is taken to hang.
  /// - Throws: `Hang`, after the process and all that it has started were killed.
  package static func run(_ process: Process, limit: Double = 120) throws -> Outcome {
    // Files, not pipes: nothing has to be read while it runs.
    let directory = try TemporaryDirectory()
    let (out, err) = (directory.path("out"), directory.path("err"))
    for path in [out, err] { try Data().write(to: URL(filePath: path)) }
    process.standardOutput = FileHandle(forWritingAtPath: out)
    process.standardError = FileHandle(forWritingAtPath: err)
    process.standardInput = FileHandle.nullDevice
    // Launchers that end remove the directory that all of them share while others begin.
    process.environment = (process.environment ?? ProcessInfo.processInfo.environment).merging([
      "OMPI_MCA_orte_tmpdir_base": directory.root
    ]) { $1 }
    let start = Date()
    // A child inherits the signals that its maker blocks, and a test's thread blocks most: a run
    // that is asked to end would not hear it.
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
    // The event library of a launcher that kills ranks at once warns of pipes that it has closed.
    let errors = try String(contentsOfFile: err, encoding: .utf8)
      .replacing(/\[warn\] Epoll [^\n]*\n/, with: "")
    return Outcome(
      status: process.terminationStatus, output: try String(contentsOfFile: out, encoding: .utf8),
      errors: errors,
      seconds: Date().timeIntervalSince(start))
  }

  /// The process of a rank, found by its arguments and its launcher's environment.
  package static func rank(_ rank: Int, runningWith argument: String) -> pid_t? {
    process(with: argument) {
      $0.hasPrefix("\(train)\0") && $1.contains("OMPI_COMM_WORLD_RANK=\(rank)\0")
    }
  }

  /// The process that ranks with such arguments are started by.
  package static func launcher(runningWith argument: String) -> pid_t? {
    process(with: argument) { command, _ in command.hasPrefix("mpirun\0") }
  }

  /// Whether any process has such an argument.
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
