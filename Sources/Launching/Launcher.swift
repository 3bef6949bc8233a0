import ArgumentParser
import Glibc
import MPI

/// How the program starts, and how it ends: one message, from one rank, whatever happens.
package enum Launcher {
  /// Ends a program that has not started MPI, for a reason that all its ranks have: rank 0 says it.
  package static func exitBeforeStart(_ command: (some ParsableCommand).Type, _ error: any Error)
    -> Never
  {
    let status = command.exitCode(for: error).rawValue
    if !isFirst {
      // A launcher ends the other ranks as soon as one has failed: let rank 0 be that one. If this
      // one is still there later, rank 0 did not fail, and the reason is this rank's own.
      if status != EXIT_SUCCESS {
        sleep(3)
        complain("a rank other than 0: \(command.message(for: error))")
      }
      _exit(status)
    }
    command.exit(withError: error)
  }

  /// Starts MPI, runs `body` and ends the program.
  ///
  /// An error that all ranks share is told by rank 0; any other by the rank that has it, which ends
  /// the whole job.
  package static func run(_ body: (Communicator) throws -> Void) -> Never {
    let world: Communicator
    do {
      world = try Communicator.start()
    } catch {
      complain("\(error)")
      exit(EXIT_FAILURE)
    }
    do {
      try body(world)
      try world.finish()
      exit(EXIT_SUCCESS)
    } catch let code as ExitCode {
      // All ranks end so, and have said what there is to say.
      try? world.finish()
      exit(code.rawValue)
    } catch let error as any SharedError {
      if world.rank == 0 { complain("\(error)") }
      // Nobody leaves before it has been said.
      try? world.finish()
      exit(EXIT_FAILURE)
    } catch {
      complain(world.size > 1 ? "rank \(world.rank): \(error)" : "\(error)")
      world.abort(status: EXIT_FAILURE)
    }
  }

  /// Whether this is rank 0, or no launcher says otherwise. For use before MPI has started.
  package static var isFirst: Bool {
    for name in ["OMPI_COMM_WORLD_RANK", "PMIX_RANK", "PMI_RANK", "SLURM_PROCID"] {
      if let rank = getenv(name) { return String(cString: rank) == "0" }
    }
    return true
  }

  private static func complain(_ message: String) {
    fflush(nil)
    var line = "Error: \(message)\n"
    line.withUTF8 { _ = write(STDERR_FILENO, $0.baseAddress, $0.count) }
  }
}
