import ArgumentParser
import LinearAlgebra
import Optimizers

/// The options that belong to one optimizer.
package protocol OptimizerOptions: ParsableArguments {
  associatedtype Configuration: OptimizerConfiguration

  /// Default learning rate, of the default options.
  static var learningRate: Double { get }
  /// Default learning rate, of these options.
  var learningRate: Double { get }
  /// Default damping λ.
  var damping: Double { get }
  /// True if λ is relative by default.
  var dampingIsRelative: Bool { get }
  /// Default norm to which gradients are clipped; nil for no clipping.
  var clipNorm: Double? { get }
  /// True if weight decay always applies to the weights and never adds to the gradient.
  static var decayIsDecoupled: Bool { get }

  /// Returns the rules for options that have an effect with this optimizer only.
  static func uses<Program: OptimizerSelection>(in: Program.Type) -> [OptionUse<Program>]

  /// Checks that the common settings, whose bound is not known yet, suit this optimizer.
  ///
  /// - Throws: `ValidationError`.
  func check(_ common: CommonOptimizerSettings, _ bound: ChangeBoundOptions) throws

  /// Default bound on the changes that steps predict; nil for none.
  var bound: ChangeBoundOptions.Standard? { get }

  /// Returns the configuration of the optimizer.
  func configuration(_ common: CommonOptimizerSettings) -> Configuration
}

/// The settings that every optimizer receives; an optimizer may ignore some.
package struct CommonOptimizerSettings {
  package var learningRate: Double
  package var momentum: Double
  package var weightDecay: WeightDecay
  /// λ at the first step.
  package var damping: Double
  package var dampingRule: DampingRule
  /// Bound on the change that a step predicts; nil for none.
  package var bound: ChangeBound?
  package var precision: Precision

  package init(
    learningRate: Double, momentum: Double = 0, weightDecay: WeightDecay = .coupled(0),
    damping: Double, dampingRule: DampingRule = DampingRule(), bound: ChangeBound? = nil,
    precision: Precision = .float32
  ) {
    self.learningRate = learningRate
    self.momentum = momentum
    self.weightDecay = weightDecay
    self.damping = damping
    self.dampingRule = dampingRule
    self.bound = bound
    self.precision = precision
  }
}

/// A program's settings that select an optimizer and hold the options of each one.
package protocol OptimizerSelection {
  var optimizerName: OptimizerName { get }
  var mfac: MFACOptions { get }
  var kronecker: KroneckerOptions { get }
  var muon: MuonOptions { get }
}

extension OptimizerSelection {
  /// The options of the selected optimizer.
  package var ownOptions: any OptimizerOptions {
    OptimizerOptionsRegistry.all.first { $0.type.optimizer == optimizerName.rawValue }!
      .options(self)
  }
}

/// Lists the options of each optimizer, one line each, in the order of `OptimizerRegistry`.
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

  /// Returns the rules for the options of all optimizers.
  package static func uses<Program: OptimizerSelection>(
    in program: Program.Type
  ) -> [OptionUse<Program>] {
    all.flatMap { $0.type.uses(in: program) } + [
      .ofOptimizers(
        ChangeBoundOptions.keys, [MFACConfiguration.self, KFACConfiguration.self])
    ]
  }
}

extension OptimizerOptions {
  package var learningRate: Double { Self.learningRate }
  package var dampingIsRelative: Bool { false }
  package var clipNorm: Double? { nil }
  package var bound: ChangeBoundOptions.Standard? { nil }
  package func check(_ common: CommonOptimizerSettings, _ bound: ChangeBoundOptions) throws {}

  package static var optimizer: String { Configuration.name }

  /// Returns the rule for options that have an effect with this optimizer only.
  static func used<Program: OptimizerSelection>(_ options: [String]) -> OptionUse<Program> {
    .ofOptimizers(options, [Configuration.self])
  }
}

extension OptionUse where Settings: OptimizerSelection {
  /// Returns the rule for options that have an effect with the given optimizers only.
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

  package func check(_ common: CommonOptimizerSettings, _ bound: ChangeBoundOptions) throws {
    try require(
      common.momentum == 0, "--momentum", "0 with adamw, which has its own", common.momentum)
  }

  package func configuration(_ common: CommonOptimizerSettings) -> AdamWConfiguration {
    AdamWConfiguration(weightDecay: common.weightDecay)
  }
}

extension OptimizerName: ExpressibleByArgument {}
