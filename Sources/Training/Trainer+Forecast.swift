import Datasets
import Formats
import LinearAlgebra
import MPI
import Optimizers
import TrainedModels

extension Trainer {
  /// Prints on rank 0 how long a step and the whole run will take, from steps that it measures at
  /// learning rate 0. The trainer must not run afterwards. Collective.
  ///
  /// The passes over a window are shorter while it fills. Their time is taken to grow in proportion
  /// to the number of gradients in the window.
  public func forecast() throws {
    let stepsLeft = plan.schedule.totalSteps - position.step
    guard stepsLeft > 0 else {
      progress.say("time       no steps are left; nothing was written")
      return
    }
    let windowed = state.optimizer.windowed
    let filled = windowed?.filled ?? 0
    // The random gradients are negligible in K + mλI at this scale; the measured steps insert real
    // ones.
    try windowed?.fillWindow(scale: 1e-10, on: world)
    let (count, steps, seconds) = try measureSteps()
    let evaluation = try measureEvaluation()

    let step = seconds / Double(count)
    var windowSeconds = 0.0
    var notFilled = 0.0
    if let configuration = plan.optimizer.windowed {
      let passes: [Phase] = [.gramRow, .solve, .direction]
      windowSeconds = try slowest(passes.reduce(0) { $0 + (steps.seconds[$1] ?? 0) })
      // `m`: capacity of the window. `filling`: steps until it is full. `notFilled`: these steps
      // times the mean share of slots that are empty in them.
      let (m, every) = (Double(configuration.window), Double(configuration.insertEvery))
      let filling = min((m - Double(filled)) * every, Double(stepsLeft))
      notFilled = filling * (1 - (Double(filled) + filling / every / 2) / m)
    }
    let evaluations =
      plan.schedule.totalSteps / plan.evaluationPeriod - position.step / plan.evaluationPeriod
      + (plan.schedule.totalSteps % plan.evaluationPeriod > 0 ? 1 : 0)
    let whole =
      Double(stepsLeft) * step - notFilled * windowSeconds / Double(count)
      + Double(evaluations) * evaluation
    if plan.logView {
      let view = try LogView(steps, steps: count, wallSeconds: seconds, on: world)
      progress.say("\(view.text)")
    }
    try say(steps, count: count, seconds: seconds)
    progress.say(
      """
      time       \(stepsLeft) steps and \(evaluations) evaluation\(evaluations == 1 ? "" : "s") \
      of \(Self.duration(evaluation)): about \(Self.duration(whole))\(omitted)
      dry run    nothing was written
      """)
  }

  /// Prints the time of a step, and what the ranks send in it. Collective.
  private func say(_ steps: PhaseClock, count: Int, seconds: Double) throws {
    let sent = steps.costs.values.reduce(Traffic()) { $0 + $1.sent }
    let messages = try slowest(Double(sent.messages)) / Double(count)
    let bytes = try slowest(Double(sent.bytes)) / Double(count)
    let shares = try Phase.allCases.map { phase in
      (phase.rawValue, try slowest(steps.seconds[phase] ?? 0) / seconds)
    }
    let largest = shares.sorted { $0.1 > $1.1 }.prefix(3)
      .map { "\($0.0) \(formatNumber(100 * $0.1, digits: 0)) %" }
    let isFull = plan.optimizer.windowed == nil ? "" : " with the window full"

    let notWhole = count % period == 0 ? "" : " (a period has \(period))"

    if world.size > 1 {
      progress.say(
        """
        traffic    \(formatBytes(Int(bytes.rounded()))) in \(formatNumber(messages, digits: 0)) \
        messages a step, of the rank that sends most
        """)
    }
    progress.say(
      """
      step       \(Self.duration(seconds / Double(count)))\(isFull), over \(count) of \
      them\(notWhole): \(largest.joined(separator: ", "))
      """)
  }

  /// Text that names the parts that the run's time leaves out.
  private var omitted: String {
    let parts = [
      plan.pruning == nil ? nil : "pruning",
      plan.saving.everySteps == nil && plan.saving.everySeconds == nil ? nil : "checkpoints",
    ].compactMap { $0 }
    return parts.isEmpty ? "" : ", without \(parts.joined(separator: " and "))"
  }

  /// Measures steps for about a second, at least 4, after two steps to warm up. Returns their
  /// number, this rank's clock and the slowest rank's seconds.
  private func measureSteps() throws -> (count: Int, clock: PhaseClock, seconds: Double) {
    var batches = plan.batches
    var index = position.step
    func take(_ count: Int) throws -> (PhaseClock, Double) {
      let total = PhaseClock()
      // All ranks begin together.
      _ = try world.allGather(0)
      let start = ContinuousClock.now
      for _ in 0..<count {
        let record = try step.take(
          batches.indices(step: index), step: index, epoch: index / batches.batchesPerEpoch,
          learningRate: 0)
        total.add(record.clock)
        index += 1
      }
      return (total, try slowest((ContinuousClock.now - start) / .seconds(1)))
    }
    _ = try take(1)
    let first = try take(1).1
    var count = min(max(Int(1 / first), 4), 500)
    // Whole periods have all kinds of steps in their proportion. They are measured if that takes
    // about 20 s or less, or at most twice as long as `count` steps.
    if period <= max(2 * count, Int(20 / first)) {
      count = (count + period - 1) / period * period
    }
    let (clock, seconds) = try take(count)
    return (count, clock, seconds)
  }

  /// Number of steps after which their kinds repeat.
  private var period: Int { plan.optimizer.period }

  /// Estimates the seconds of an evaluation from a few chunks on each rank.
  private func measureEvaluation() throws -> Double {
    let test = plan.dataset.test
    func chunks(_ examples: Int) -> Int {
      let all = (examples + network.maximumBatch - 1) / network.maximumBatch
      return (all + world.size - 1) / world.size
    }
    let some = min(test.count, 8 * network.maximumBatch * world.size)
    let start = ContinuousClock.now
    _ = try Evaluation(
      of: network, parameters: state.parameters, state: state.statistics,
      on: ExampleSubset(of: test, members: Array(0..<some)), loss: plan.loss, over: world)
    let seconds = try slowest((ContinuousClock.now - start) / .seconds(1))
    return seconds * Double(chunks(test.count)) / Double(chunks(some))
  }

  /// Returns the largest value of any rank. Collective.
  private func slowest(_ value: Double) throws -> Double { try world.allGather(value).max()! }

  private static func duration(_ seconds: Double) -> String {
    if seconds < 1 { return "\(formatNumber(1000 * seconds, digits: 2)) ms" }
    if seconds < 600 { return "\(formatNumber(seconds, digits: 1)) s" }
    return seconds < 36_000
      ? "\(formatNumber(seconds / 60, digits: 0)) minutes"
      : "\(formatNumber(seconds / 3600, digits: 1)) hours"
  }
}
