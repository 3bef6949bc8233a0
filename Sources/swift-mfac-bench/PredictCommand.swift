import ArgumentParser
import LinearAlgebra
import MPI
import Optimizers
import ProgramOptions
import RunRecords

/// Predicts a scaling curve from the measured work of one rank.
struct PredictCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "predict",
    abstract: "Predicts how a step scales, from one rank's measured rates.",
    discussion: """
      The command measures a step on one rank. It divides the work among more ranks as the program \
      does, cell by cell and micro-batch by micro-batch, and adds latency for each message and \
      1/bandwidth for each byte. A phase lasts as long as its slowest rank, and no phase overlaps \
      another: real runs are faster where they send while they compute, and slower where ranks \
      share memory or a link. The iterations of --solver cg are those of random examples; yours \
      are cg_iterations in metrics.jsonl.

      \(SweepTable.explanation)
      """)

  @Option(help: "Numbers of ranks, such as 1,2,3,8 or 1,2,…,4096 (doubling).")
  var ranks: RankList

  @Option(parsing: .unconditional, help: "Seconds of latency for each message.")
  var latency: Double

  @Option(parsing: .unconditional, help: "Bytes that a rank sends in a second.")
  var bandwidth: Double

  @OptionGroup var options: SweepOptions
  @OptionGroup var files: ResultFiles

  func validate() throws {
    // Within these limits all seconds are finite.
    try require((0...1e9).contains(latency), "--latency", "in 0...1e9 seconds", latency)
    try require(
      (1e-9...1e30).contains(bandwidth), "--bandwidth", "in 1e-9...1e30 bytes a second", bandwidth)
    let problem = try options.problem
    try options.step.checkWindow(parameters: problem.parameters)
    for p in ranks.counts {
      guard let parts = problem.microBatches(ranks: p), parts < p else { continue }
      throw ValidationError(
        "--micro-batches: expected at least \(p), one for each rank (or --scaling weak), got "
          + "\(parts)"
      )
    }
  }

  func run() throws {
    options.warnOfIdle()
    Launcher.run { world in try predict(on: world) }
  }

  private func predict(on world: Communicator) throws {
    let problem = try options.problem
    let curves = try world.agree {
      guard world.size == 1 else {
        throw ValidationError("'predict' measures on one rank, this run has \(world.size)")
      }
      return try files.earlier(ScalingCurves.self) ?? ScalingCurves()
    }
    let workload = try Workload.make(problem, options.step, on: world)
    let measured = try StepMeasurement(
      of: workload, steps: options.step.steps, period: options.step.period,
      batchSize: problem.batchSize, on: world)
    let prediction = Prediction(
      problem: problem,
      statistics: problem.part == .step
        ? try options.step.network.description.stateLayout.count : 0,
      load: try options.step.load(of: problem, measured), measured: measured.result,
      additionSeconds: Self.additionSeconds(count: min(problem.parameters, 1 << 24)),
      link: ScalingCurves.Link(latency: latency, bandwidth: bandwidth))
    let results = problem.withEfficiency(
      ranks.counts.map(prediction.step(ranks:)), base: prediction.step(ranks: 1))

    print("\(problem.title); \(problem.scalingTitle)")
    print(machine(world))
    if let (least, most) = measured.productsOfLayers {
      print(String(format: "products of a layer in a step: %.1f to %.1f", least, most))
    }
    print(SweepTable.header([]))
    for result in results { print(SweepTable.line(result, [])) }
    var all = curves
    all.set(predicted: results, of: problem, link: prediction.link)
    try files.write(all)
  }

  /// Returns the seconds per coordinate for adding one vector to another, measured on `count`
  /// coordinates.
  private static func additionSeconds(count: Int) -> Double {
    let (a, b) = (Buffer<Float>(count: count), Buffer<Float>(count: count))
    let time = Measurement(seconds: 0.1) {
      for i in 0..<count { a.pointer[i] += b.pointer[i] }
    }
    return time.median / Double(count)
  }
}

/// Parses "1,2,3" or "1,2,…,4096" (doubling).
struct RankList: ExpressibleByArgument {
  let counts: [Int]

  init?(argument: String) {
    var counts: [Int] = []
    let parts = argument.split(separator: ",", omittingEmptySubsequences: false)
    var doubles = false
    for (index, part) in parts.enumerated() {
      if ["…", "..."].contains(part), !counts.isEmpty, index + 1 < parts.count {
        doubles = true
        continue
      }
      guard let count = Int(part), (1...1_000_000).contains(count), count > counts.last ?? 0 else {
        return nil
      }
      while doubles, let last = counts.last, 2 * last < count { counts.append(2 * last) }
      doubles = false
      counts.append(count)
    }
    self.counts = counts
  }
}
