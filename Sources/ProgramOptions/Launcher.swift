import ArgumentParser
import CStart
import Glibc
import LinearAlgebra
import MPI

/// Writes a setting as users type it, such as `--window 64`.
private let flag: Diagnostic.Style = { key, value in "--\(key)" + (value.map { " \($0)" } ?? "") }

/// Returns a diagnostic's text with settings written as flags.
package func withFlags(_ diagnostic: Diagnostic) -> String { diagnostic.text(flag) }

/// Starts and ends a program. A failure that all ranks share prints one message, on rank 0.
package enum Launcher {
  /// Prepares the process for OpenBLAS products. Call this function before MPI starts.
  ///
  /// - Throws: `InsufficientAddressSpace` if the process may not have OpenBLAS's memory.
  package static func prepareProducts() throws {
    cs_keep()
    BLAS.repairCoreType()
    BLAS.useOneThread()
    try BLAS.takeMemory()
  }

  /// Ends a program that has not started MPI. All ranks usually fail for the same reason, so rank 0
  /// alone prints it.
  package static func exitBeforeStart(_ command: (some ParsableCommand).Type, _ error: any Error)
    -> Never
  {
    let status = command.exitCode(for: error).rawValue
    let text = error is any DiagnosticError ? withFlags("\(error)") : advised(command, error)
    if !Communicator.isFirst {
      // mpirun kills the other ranks as soon as one fails. Wait, so that rank 0 fails first and
      // prints its message. A rank that survives the wait has failed alone and prints its own.
      if status != EXIT_SUCCESS {
        sleep(3)
        let line = text?.split(separator: "\n").first.map(String.init)
        reportError("a rank other than 0 failed: \(line ?? command.message(for: error))")
      }
      _exit(status)
    }
    guard let text else { command.exit(withError: error) }
    reportError(text)
    exit(status)
  }

  /// Returns the message for an unknown option, with the closest known one, and for an invalid
  /// value of an option that `--help` does not show, with its help; nil for other errors.
  private static func advised(
    _ command: (some ParsableCommand).Type, _ error: any Error
  ) -> String? {
    let text = command.fullMessage(for: error)
    let arguments = CommandLine.arguments.dropFirst()
    let subcommand = command.configuration.subcommands.first { $0._commandName == arguments.first }
    let help = command.helpMessage(
      for: subcommand ?? command, includeHidden: true, columns: 10_000)
    let rest = text.split(separator: "\n", maxSplits: 1).dropFirst().first ?? ""
    if !text.contains("\nHelp:"),
      let invalid = text.prefixMatch(of: /Error: (The value '.*' is invalid for '(--[a-z-]+)'.*)/),
      let start = help.firstRange(of: "\n  \(invalid.2) ")?.lowerBound
    {
      // A long label stands on a line of its own.
      let item = help[start...].dropFirst().prefixMatch(of: /.*(\n {20,}.*)*/)!.0
      return "\(invalid.1)\nHelp:\(item.replacing(/\s{2,}/, with: "  "))\n\(rest)"
    }
    let known = help.matches(of: /--([a-z][a-z-]*)/).map { String($0.1) }
    let flag: Substring
    if let unknown = text.prefixMatch(of: /Error: Unknown option '([^']+)'/) {
      flag = unknown.1
    } else if text.hasPrefix("Error: Missing expected argument"),
      let other = arguments.first(where: { argument in
        argument.hasPrefix("--") && !known.contains(String(name(of: argument[...])))
      })
    {
      // The unknown option may be the missing one under another name.
      flag = other[...]
    } else {
      return nil
    }
    let advice = NearestName.of(String(name(of: flag)), among: known).map { "type --\($0)" }
    return
      "Unknown option '\(flag.prefix { $0 != "=" })': \(advice ?? "--help lists the options")\n"
      + rest
  }

  /// Returns an option's name from `--name` or `--name=value`.
  private static func name(of flag: Substring) -> Substring {
    flag.drop { $0 == "-" }.prefix { $0 != "=" }
  }

  /// Starts MPI, runs `body` and ends the program.
  ///
  /// Rank 0 prints an error that all ranks share. A rank that fails alone prints its own error and
  /// aborts the job.
  package static func run(
    watchdogSeconds: Double = 600, checksCollectives: Bool = false,
    _ body: (Communicator) throws -> Void
  ) -> Never {
    let world: Communicator
    do {
      world = try Communicator.start(
        watchdogSeconds: watchdogSeconds, checksCollectives: checksCollectives)
      world.settingStyle = flag
    } catch let error as LaunchError {
      if !Communicator.isFirst { sleep(3) } else { reportError("\(error)") }
      _exit(EXIT_FAILURE)
    } catch {
      reportError("\(error)")
      exit(EXIT_FAILURE)
    }
    do {
      try body(world)
      // This last agreement also compares files that were opened after the one before it.
      try world.agree {}
      try world.finish()
      exit(EXIT_SUCCESS)
    } catch let error as CollectiveMismatch {
      if world.rank == 0 {
        reportError("\(error)")
        world.abort(status: EXIT_FAILURE)
      }
      // Messages may still arrive in memory that has been freed: make no further MPI call.
      sleep(3)
      _exit(EXIT_FAILURE)
    } catch let code as ExitCode {
      // All ranks throw the same code and have printed their messages.
      try? world.finish()
      exit(code.rawValue)
    } catch let error as any SharedError {
      if world.rank == 0 { reportError(withFlags("\(error)")) }
      // The ranks wait here until rank 0 has printed the message.
      try? world.finish()
      exit(EXIT_FAILURE)
    } catch {
      reportError(withFlags(world.size > 1 ? "rank \(world.rank): \(error)" : "\(error)"))
      world.abort(status: EXIT_FAILURE)
    }
  }
}
