import ArgumentParser
import Optimizers
import ProgramOptions

struct DampingSettings: ParsableArguments {
  enum Schedule: String, CaseIterable, ExpressibleByArgument {
    case constant, linear, exponential
    case levenbergMarquardt = "levenberg-marquardt"
  }

  @Option(
    parsing: .unconditional,
    help: .init(
      """
      λ, added to the diagonal of the Fisher matrix. (default: 1, relative; 0.0001 with --preset \
      published; 0.001 with kfac, 0.1 with --step adaptive)
      """, valueName: "lambda"))
  var damping: Double?

  @Flag(
    inversion: .prefixedNo,
    help: .advanced(
      """
      Multiply λ by the mean diagonal of K/m, the mean squared norm of the window's rows over m. \
      (default: yes with mfac; no with --preset published)
      """))
  var dampingRelative: Bool?

  @Option(
    help: .advanced(
      """
      Damping schedule: linear and exponential reach --damping-final at the last step; \
      levenberg-marquardt adapts λ to the ratio of the actual to the predicted decrease of the \
      loss.
      """, valueName: "schedule"))
  var dampingSchedule = Schedule.constant

  @Option(
    parsing: .unconditional,
    help: .advanced(
      "λ at the last step (linear, exponential); the λ in use may lag by a tenth.",
      valueName: "lambda"))
  var dampingFinal: Double?

  @Option(
    parsing: .unconditional,
    help: .advanced("Adapt λ every N directions. (levenberg-marquardt)", valueName: "count"))
  var dampingEvery = 5

  @Option(
    parsing: .unconditional,
    help: .advanced("Lower bound of λ. (levenberg-marquardt)", valueName: "lambda"))
  var dampingMinimum = 1e-8

  @Option(
    parsing: .unconditional,
    help: .advanced("Upper bound of λ. (levenberg-marquardt)", valueName: "lambda"))
  var dampingMaximum = 1e4

  func validate() throws {
    for (flag, value) in [
      ("--damping", damping ?? 1), ("--damping-final", dampingFinal ?? 1),
      ("--damping-minimum", dampingMinimum), ("--damping-maximum", dampingMaximum),
    ] {
      try require(value > 0 && value.isFinite, flag, "> 0 and finite", value)
    }
    try require("--damping-every", in: 1...1_000_000, dampingEvery)
  }

  /// Checks that the damping settings are consistent, and fills in λ.
  ///
  /// - Parameter standard: the optimizer, with its defaults.
  /// - Throws: `ValidationError`.
  mutating func resolve(standard: any OptimizerOptions) throws {
    let damping = damping ?? standard.damping
    self.damping = damping
    dampingRelative = dampingRelative ?? standard.dampingIsRelative
    switch dampingSchedule {
    case .linear, .exponential:
      try require(
        dampingFinal != nil, "--damping-schedule",
        "--damping-final with \(dampingSchedule.rawValue)",
        "none")
    case .constant, .levenbergMarquardt:
      try require(
        dampingFinal == nil, "--damping-final", "--damping-schedule linear or exponential",
        dampingSchedule.rawValue)
    }
    guard dampingSchedule == .levenbergMarquardt else { return }
    try require(
      dampingMinimum <= damping && damping <= dampingMaximum, "--damping",
      "within --damping-minimum \(dampingMinimum) and --damping-maximum \(dampingMaximum)", damping)
  }

  /// Returns the damping rule of a run.
  ///
  /// - Parameter steps: number of steps of the run.
  func rule(steps: Int) -> DampingRule {
    let schedule: DampingRule.Schedule =
      switch dampingSchedule {
      case .constant: .constant
      case .linear: .linear(final: dampingFinal!, steps: steps)
      case .exponential: .exponential(final: dampingFinal!, steps: steps)
      case .levenbergMarquardt:
        .levenbergMarquardt(.init(every: dampingEvery, bounds: dampingMinimum...dampingMaximum))
      }
    return DampingRule(schedule, isRelative: dampingRelative!)
  }
}

extension DampingSettings {
  /// The rules for options that have an effect only with damping, or with one of its schedules.
  static var uses: [OptionUse<Settings>] {
    [
      .ofOptimizers(
        ["checkpoint-window", "damping", "damping-schedule", "damping-final"], damped),
      OptionUse(
        ["damping-every", "damping-minimum", "damping-maximum"],
        beside: "--damping-schedule levenberg-marquardt",
        got: {
          $0.hasDamping
            ? "--damping-schedule \($0.damping.dampingSchedule.rawValue)"
            : "--optimizer \($0.optimizer.optimizer.rawValue)"
        },
        where: { $0.hasDamping && $0.damping.dampingSchedule == .levenbergMarquardt }),
    ]
  }

  fileprivate static let damped = OptimizerRegistry.all.filter { $0.isDamped }
}

extension Settings {
  fileprivate var hasDamping: Bool {
    DampingSettings.damped.contains { $0.name == optimizer.optimizer.rawValue }
  }
}
