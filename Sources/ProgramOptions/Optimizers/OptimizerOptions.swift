import ArgumentParser
import LinearAlgebra
import Optimizers

/// The options that one optimizer has beside those of all.
package protocol OptimizerOptions: ParsableArguments {
  associatedtype Configuration: OptimizerConfiguration

  /// The learning rate where none is asked.
  static var learningRate: Double { get }
  /// λ where none is asked.
  var damping: Double { get }
  /// Whether weight decay is always applied to the weights, never added to the gradient.
  static var decayIsDecoupled: Bool { get }

  /// What its options are for, and others that have an effect with it alone.
  static func uses<Program: OptimizerSelection>(in: Program.Type) -> [OptionUse<Program>]

  /// Refuses settings of all optimizers that do not go with it.
  ///
  /// - Throws: `ValidationError`.
  func check(_ common: CommonOptimizerSettings) throws

  /// What runs.
  func configuration(_ common: CommonOptimizerSettings) -> Configuration
}

/// The settings that every optimizer is given, whatever it does with them.
package struct CommonOptimizerSettings {
  package var learningRate: Double
  package var momentum: Double
  package var weightDecay: WeightDecay
  /// λ, to begin with.
  package var damping: Double
  package var dampingRule: DampingRule
  package var precision: Precision

  package init(
    learningRate: Double, momentum: Double = 0, weightDecay: WeightDecay = .coupled(0),
    damping: Double, dampingRule: DampingRule = DampingRule(), precision: Precision = .float32
  ) {
    self.learningRate = learningRate
    self.momentum = momentum
    self.weightDecay = weightDecay
    self.damping = damping
    self.dampingRule = dampingRule
    self.precision = precision
  }
}

/// The settings of a program that offers the optimizers: which one, and the options of each.
package protocol OptimizerSelection {
  var optimizerName: OptimizerName { get }
  var mfac: MFACOptions { get }
  var kronecker: KroneckerOptions { get }
  var muon: MuonOptions { get }
}

extension OptimizerSelection {
  /// The options of the optimizer that runs.
  package var ownOptions: any OptimizerOptions {
    OptimizerOptionsRegistry.all.first { $0.type.optimizer == optimizerName.rawValue }!
      .options(self)
  }
}

/// The options of each optimizer: one line each, in the order of `OptimizerRegistry`.
package enum OptimizerOptionsRegistry {
  package typealias Entry = (
    type: any OptimizerOptions.Type,
    options: @Sendable (any OptimizerSelection) -> any OptimizerOptions
  )

  package static let all: [Entry] = [
    (MFACOptions.self, { $0.mfac }),
    (KroneckerOptions.self, { $0.kronecker }),
    (SGDOptions.self, { _ in SGDOptions() }),
    (AdamWOptions.self, { _ in AdamWOptions() }),
    (MuonOptions.self, { $0.muon }),
  ]

  /// What the options of all optimizers are for.
  package static func uses<Program: OptimizerSelection>(
    in program: Program.Type
  ) -> [OptionUse<Program>] {
    all.flatMap { $0.type.uses(in: program) }
  }
}

extension OptimizerOptions {
  /// The optimizer's name.
  package static var optimizer: String { Configuration.name }

  /// Options that have an effect with this optimizer alone.
  static func used<Program: OptimizerSelection>(_ options: [String]) -> OptionUse<Program> {
    .ofOptimizers(options, [Configuration.self])
  }
}

extension OptionUse where Settings: OptimizerSelection {
  /// Options that have an effect with some optimizers alone.
  package static func ofOptimizers(
    _ options: [String], _ optimizers: [any OptimizerConfiguration.Type]
  ) -> OptionUse {
    OptionUse(
      options, beside: "--optimizer \(optimizers.map { $0.name }.joined(separator: " or "))",
      got: { "--optimizer \($0.optimizerName.rawValue)" },
      where: { settings in optimizers.contains { $0.name == settings.optimizerName.rawValue } })
  }
}

package struct SGDOptions: OptimizerOptions {
  package static var learningRate: Double { 1e-3 }
  package var damping: Double { 1e-4 }
  package static var decayIsDecoupled: Bool { false }

  package init() {}

  package static func uses<Program: OptimizerSelection>(
    in: Program.Type
  ) -> [OptionUse<Program>] { [] }

  package func check(_ common: CommonOptimizerSettings) {}

  package func configuration(_ common: CommonOptimizerSettings) -> SGDConfiguration {
    SGDConfiguration(momentum: common.momentum, weightDecay: common.weightDecay)
  }
}

package struct AdamWOptions: OptimizerOptions {
  package static var learningRate: Double { 1e-3 }
  package var damping: Double { 1e-4 }
  package static var decayIsDecoupled: Bool { true }

  package init() {}

  package static func uses<Program: OptimizerSelection>(
    in: Program.Type
  ) -> [OptionUse<Program>] { [] }

  package func check(_ common: CommonOptimizerSettings) throws {
    try require(
      common.momentum == 0, "--momentum", "0 with adamw, which has its own", common.momentum)
  }

  package func configuration(_ common: CommonOptimizerSettings) -> AdamWConfiguration {
    AdamWConfiguration(weightDecay: common.weightDecay)
  }
}

extension OptimizerName: ExpressibleByArgument {}
