import ArgumentParser
import CStart
import Glibc
import LinearAlgebra
import MPI

/// How the program starts, and how it ends: one message, from one rank, whatever happens.
package enum Launcher {
  /// Ends a program that has not started MPI, for a reason that all its ranks have: rank 0 says it.
  package static func exitBeforeStart(_ command: (some ParsableCommand).Type, _ error: any Error)
  /// Prepares the process for products, before MPI starts.
  ///
  /// - Throws: `InsufficientAddressSpace` where there is no memory for them.
  package static func prepareProducts() throws {
    cs_keep()
    BLAS.repairCoreType()
    BLAS.useOneThread()
    try BLAS.takeMemory()
  }

    -> Never
  {
    let status = command.exitCode(for: error).rawValue
    if !Communicator.isFirst {
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
  package static func run(
    watchdogSeconds: Double = 600, checksCollectives: Bool = false,
    _ body: (Communicator) throws -> Void
  ) -> Never {
    let world: Communicator
    do {
      world = try Communicator.start(
        watchdogSeconds: watchdogSeconds, checksCollectives: checksCollectives)
    } catch {
      complain("\(error)")
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
        complain("\(error)")
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
      if world.rank == 0 { complain("\(error)") }
      // Nobody leaves before it has been said.
      try? world.finish()
      exit(EXIT_FAILURE)
    } catch {
      complain(world.size > 1 ? "rank \(world.rank): \(error)" : "\(error)")
      world.abort(status: EXIT_FAILURE)
    }
  }
}
    } catch let error as LaunchError {
      if !Communicator.isFirst { sleep(3) } else { complain("\(error)") }
      _exit(EXIT_FAILURE)
