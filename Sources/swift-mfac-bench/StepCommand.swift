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
    abstract: "Times a training step by phase, on any number of ranks.",
    discussion: """
      Examples are random. The seconds of a phase are its median over the steps, on the slowest \
      and on the fastest rank; they include waiting for other ranks. Messages and bytes are \
      counted while they are sent, on the rank that sends most. For kfac, whose steps differ, all \
      numbers are means over a period.
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
