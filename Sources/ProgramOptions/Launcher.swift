import ArgumentParser
import CStart
import Glibc
import LinearAlgebra
import MPI

/// A setting as the users of a program type it.
private let flag: Diagnostic.Style = { key, value in "--\(key)" + (value.map { " \($0)" } ?? "") }

/// A text with flags in the place of settings.
package func withFlags(_ diagnostic: Diagnostic) -> String { diagnostic.text(flag) }

/// How the program starts, and how it ends: one message, from one rank, whatever happens.
package enum Launcher {
  /// Prepares the process for products, before MPI starts.
  ///
  /// - Throws: `InsufficientAddressSpace` where there is no memory for them.
  package static func prepareProducts() throws {
    cs_keep()
    BLAS.repairCoreType()
    BLAS.useOneThread()
    try BLAS.takeMemory()
  }

  /// Ends a program that has not started MPI, for a reason that all its ranks have: rank 0 says it.
  package static func exitBeforeStart(_ command: (some ParsableCommand).Type, _ error: any Error)
    -> Never
  {
    let status = command.exitCode(for: error).rawValue
    let text = error is any DiagnosticError ? withFlags("\(error)") : advised(command, error)
    if !Communicator.isFirst {
      // A launcher ends the other ranks as soon as one has failed: let rank 0 be that one. If this
      // one is still there later, rank 0 did not fail, and the reason is this rank's own.
      if status != EXIT_SUCCESS {
        sleep(3)
        let line = text?.split(separator: "\n").first.map(String.init)
        reportError("a rank other than 0: \(line ?? command.message(for: error))")
      }
      _exit(status)
    }
    guard let text else { command.exit(withError: error) }
    reportError(text)
    exit(status)
  }

  /// What is said of an option that there is not, with the one that is meant; nil for other errors.
  private static func advised(
    _ command: (some ParsableCommand).Type, _ error: any Error
  ) -> String? {
    let text = command.fullMessage(for: error)
    let arguments = CommandLine.arguments.dropFirst()
    let subcommand = command.configuration.subcommands.first { $0._commandName == arguments.first }
    let help =
      subcommand.map { command.helpMessage(for: $0) } ?? command.helpMessage(columns: 100)
    let known = help.matches(of: /--([a-z][a-z-]*)/).map { String($0.1) }
    let flag: Substring
    if let unknown = text.prefixMatch(of: /Error: Unknown option '([^']+)'/) {
      flag = unknown.1
    } else if text.hasPrefix("Error: Missing expected argument"),
      let other = arguments.first(where: { argument in
        argument.hasPrefix("--") && !known.contains(String(name(of: argument[...])))
      })
    {
      // It may stand for what is missing.
      flag = other[...]
    } else {
      return nil
    }
    let advice = NearestName.of(String(name(of: flag)), among: known).map { "type --\($0)" }
    let rest = text.split(separator: "\n", maxSplits: 1).dropFirst().first ?? ""
    return
      "Unknown option '\(flag.prefix { $0 != "=" })': \(advice ?? "--help lists them")\n\(rest)"
  }

  /// Of an option with dashes before it and perhaps its value behind it.
  private static func name(of flag: Substring) -> Substring {
    flag.drop { $0 == "-" }.prefix { $0 != "=" }
  }

  /// Starts MPI, runs `body` and ends the program.
  ///
  /// An error that all ranks share is told by rank 0; any other by the rank that has it, which ends
  /// the whole job.
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
      // Also for a file that was opened after the last agreement.
      try world.agree {}
      try world.finish()
      exit(EXIT_SUCCESS)
    } catch let error as CollectiveMismatch {
      if world.rank == 0 {
        reportError("\(error)")
        world.abort(status: EXIT_FAILURE)
      }
      // Messages may be under way to memory that is gone: MPI is called no more.
      sleep(3)
      _exit(EXIT_FAILURE)
    } catch let code as ExitCode {
      // All ranks end so, and have said what there is to say.
      try? world.finish()
      exit(code.rawValue)
    } catch let error as any SharedError {
      if world.rank == 0 { reportError(withFlags("\(error)")) }
      // Nobody leaves before it has been said.
      try? world.finish()
      exit(EXIT_FAILURE)
    } catch {
      reportError(withFlags(world.size > 1 ? "rank \(world.rank): \(error)" : "\(error)"))
      world.abort(status: EXIT_FAILURE)
    }
  }
}
