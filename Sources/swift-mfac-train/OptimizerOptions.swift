import ArgumentParser
import Optimizers
import ProgramOptions

/// The options that one optimizer has beside those of all.
protocol OptimizerOptions: ParsableArguments {
  associatedtype Configuration: OptimizerConfiguration

  /// What its options, and others' where this is the optimizer, are for.
  var uses: [OptionUse<Settings>] { get }
  /// The learning rate where none is asked.
  static var learningRate: Double { get }
  /// λ where none is asked.
  var damping: Double { get }

  /// Settles what depends on this being the optimizer, after all else is settled.
  ///
  /// - Throws: `ValidationError` for settings that do not go with it.
  func settle(_ settings: inout Settings) throws

  /// What runs.
  ///
  /// - Parameter steps: the run's.
  func configuration(in settings: Settings, steps: Int) -> Configuration
}

extension OptimizerOptions {
  /// Options that have an effect with this optimizer alone.
  static func used(_ options: [String]) -> OptionUse<Settings> {
    .ofOptimizers(options, [Configuration.self])
  }
}

extension OptionUse<Settings> {
  /// Options that have an effect with some optimizers alone.
  static func ofOptimizers(
    _ options: [String], _ optimizers: [any OptimizerConfiguration.Type]
  ) -> OptionUse<Settings> {
    OptionUse(
      options, beside: "--optimizer \(optimizers.map { $0.name }.joined(separator: " or "))",
      got: { "--optimizer \($0.optimizer.optimizer.rawValue)" },
      where: { settings in
        optimizers.contains { $0.name == settings.optimizer.optimizer.rawValue }
      })
  }
}

extension Settings {
  /// The options of the optimizer that runs.
  var ownOptions: any OptimizerOptions {
    let name = optimizer.optimizer.rawValue
    return Self.optimizers.first { $0.type.optimizer == name }!.options(self)
  }
}

extension OptimizerOptions {
  /// The optimizer's name.
  static var optimizer: String { Configuration.name }
}

struct SGDOptions: OptimizerOptions {
  var uses: [OptionUse<Settings>] { [] }
  static var learningRate: Double { 1e-3 }
  var damping: Double { 1e-4 }

  func settle(_ settings: inout Settings) {}

  func configuration(in settings: Settings, steps: Int) -> SGDConfiguration {
    SGDConfiguration(
      momentum: settings.optimizer.momentum, weightDecay: settings.optimizer.decay)
  }
}

struct AdamWOptions: OptimizerOptions {
  var uses: [OptionUse<Settings>] {
    [
      OptionUse(
        ["weight-decay-mode"], beside: "another optimizer than adamw, whose decay is decoupled",
        got: { _ in "--optimizer adamw" },
        where: {
          !($0.ownOptions is AdamWOptions) || $0.optimizer.weightDecayMode == .decoupled
        })
    ]
  }

  static var learningRate: Double { 1e-3 }
  var damping: Double { 1e-4 }

  func settle(_ settings: inout Settings) throws {
    try require(
      settings.optimizer.momentum == 0, "--momentum", "0 with adamw, which has its own",
      settings.optimizer.momentum)
    settings.optimizer.weightDecayMode = .decoupled
  }

  func configuration(in settings: Settings, steps: Int) -> AdamWConfiguration {
    AdamWConfiguration(weightDecay: settings.optimizer.decay)
  }
}
