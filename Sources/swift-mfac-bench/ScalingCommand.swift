import ArgumentParser
import LinearAlgebra
import MPI
import ProgramOptions
import RunRecords

/// Measures one point of a scaling curve.
struct ScalingCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "scaling",
    abstract:
      "Measures one point of a scaling curve: run it under mpirun with each number of ranks.",
    discussion: """
      The time of a step is the median over the slowest rank. Strong efficiency is the speed-up \
      over the smallest number of ranks in --json, divided by the ratio of ranks. Weak efficiency \
      is the speed-up itself; it exceeds 1 where each rank's share of the optimizer shrinks. Runs \
      add points to the file of --json, and 'predict' adds its line.

      \(SweepTable.explanation)
      """)

  @OptionGroup var options: SweepOptions
  @OptionGroup var files: ResultFiles

  func run() throws {
    options.warnOfIdle()
    Launcher.run { world in try measure(on: world) }
  }

  private func measure(on world: Communicator) throws {
    let problem = try options.problem
    var curves =
      try world.agree { world.rank == 0 ? try files.earlier(ScalingCurves.self) : nil }
      ?? ScalingCurves()
    try world.agree {
      try options.step.checkWindow(parameters: problem.parameters(ranks: world.size))
    }
    let workload = try Workload.make(problem, options.step, on: world)
    let measured = try StepMeasurement(
      of: workload, steps: options.step.steps, period: options.step.period,
      batchSize: problem.batchSize(ranks: world.size),
      on: world
    ).result
    guard world.rank == 0 else { return }
    let result = curves.add(measured, to: problem)
    let predicted = curves[problem]!.predicted.first { $0.ranks == result.ranks }?.efficiency
    print("\(problem.title); \(problem.scalingTitle)")
    print("OpenBLAS core type \(BLAS.coreType), one thread a rank")
    print(SweepTable.header(["predicted"]))
    print(SweepTable.line(result, [predicted.map(SweepTable.formatEfficiency) ?? "-"]))
    try files.write(curves)
  }
}
