import ArgumentParser
import Foundation
import LinearAlgebra
import MPI
import Optimizers
import ProgramOptions
import RunRecords

/// Times a training step by its phases.
struct StepCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "step",
    abstract: "A training step by phase, on random examples; under mpirun on all its ranks.",
    discussion: """
      A phase's seconds are its median over the steps, on the rank that took longest and on the \
      one that took least; where ranks exchange something, they hold the waiting for the others \
      too. Messages and bytes are what the rank that sent most has sent in a step, as the program \
      counts them while it sends. Of kfac, whose steps differ, all are means over the steps of a \
      period.
      """)

  @OptionGroup var options: StepOptions
  @OptionGroup var files: ResultFiles

  func validate() throws {
    try files.checkReplacesNoSweep()
    try options.checkWindow(parameters: try options.network.description.layout.count)
  }

  func run() throws {
    Launcher.run { world in try measure(on: world) }
  }

  private func measure(on world: Communicator) throws {
    let problem = try options.problem(scaling: .strong)
    let workload = try Workload.make(problem, options, on: world)
    let result = try StepMeasurement(
      of: workload, steps: options.steps, period: options.period, batchSize: options.batchSize,
      on: world
    ).result
    guard world.rank == 0 else { return }
    print(problem.title)
    print(machine(world))
    print(row("phase", ["slowest rank", "fastest rank", "messages", "bytes"]))
    for phase in result.phases {
      print(
        row(
          phase.phase,
          [
            milliseconds(phase.seconds), milliseconds(phase.fastestSeconds), "\(phase.messages)",
            "\(phase.bytes)",
          ]))
    }
    print(row("step", [milliseconds(result.seconds), "", "\(result.messages)", "\(result.bytes)"]))
    print(String(format: "%.0f samples/s", result.samplesPerSecond!))
    let report = StepReport(problem: problem, result: result)
    try files.write(report)
  }
}

/// Describes the ranks and the BLAS of the measurement, as text.
func machine(_ world: Communicator) -> String {
  "\(world.size) rank\(world.size == 1 ? "" : "s")"
    + (world.sharesCores ? " that share cores" : "")
    + ", OpenBLAS core type \(BLAS.coreType), one thread a rank"
}

func milliseconds(_ seconds: Double) -> String { String(format: "%.3f ms", 1000 * seconds) }
