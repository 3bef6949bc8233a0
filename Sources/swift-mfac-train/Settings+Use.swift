import ArgumentParser
import Optimizers
import ProgramOptions

extension Settings {
  /// The rules for options that have an effect only with certain settings. They read the settings
  /// as typed, before defaults are filled in.
  var uses: [OptionUse<Settings>] {
    OptimizerOptionsRegistry.uses(in: Settings.self) + Self.adaptiveUses
      + Self.decayUses + DampingSettings.uses + Self.pruningUses
  }

  private static var adaptiveUses: [OptionUse<Settings>] {
    [
      // Group rates are relative to the learning rate.
      OptionUse(
        ["learning-rate"], beside: "--step fixed", got: { _ in "--step adaptive" },
        where: { !$0.isAdaptive || $0.rules.contains { $0.learningRate != nil } }),
      OptionUse(
        ["momentum", "schedule", "warm-up-steps", "cycle"], beside: "--step fixed",
        got: { _ in "--step adaptive" }, where: { !$0.isAdaptive }),
      OptionUse(
        ["drop-every", "drop-factor"], beside: "--schedule step",
        got: { $0.isAdaptive ? "--step adaptive" : "--schedule \($0.optimizer.schedule.rawValue)" },
        where: { $0.optimizer.schedule == .step && !$0.isAdaptive }),
    ]
  }

  private static var decayUses: [OptionUse<Settings>] {
    OptimizerOptionsRegistry.all.filter { $0.type.decayIsDecoupled }.map {
      let name = $0.type.optimizer
      return OptionUse(
        ["weight-decay-mode"], beside: "an optimizer other than \(name), whose decay is decoupled",
        got: { _ in "--optimizer \(name)" },
        where: {
          $0.optimizerName.rawValue != name || $0.optimizer.weightDecayMode == .decoupled
        })
    }
  }

  private static var pruningUses: [OptionUse<Settings>] {
    [
      OptionUse(
        ["prune-method", "include", "exclude", "scope"],
        beside: "--sparsity, --prune-schedule or --regrow", got: { _ in nil },
        where: { $0.prunes }),
      OptionUse(
        ["max-tensor-sparsity"], beside: "--sparsity or --prune-schedule", got: { _ in nil },
        where: { $0.pruning.sparsity != nil || $0.pruning.pruneSchedule != nil }),
      OptionUse(
        ["prune-gradients", "prune-gradient-batch"],
        beside: "a --prune-method other than magnitude, or --regrow gradient or marginal",
        got: { $0.pruningMethod },
        where: { $0.pruning.regrow == .gradient || $0.pruneTakesMatrix }),
      OptionUse(
        ["prune-damping"],
        beside: "a --prune-method other than magnitude, or --regrow marginal",
        got: { $0.pruningMethod }, where: { $0.pruneTakesMatrix }),
      OptionUse(
        ["prune-block-size"], beside: "--prune-method woodfisher", got: { $0.pruningMethod },
        where: { $0.prunes && $0.pruning.pruneMethod.isBlockwise }),
      OptionUse(
        ["prune-update"], beside: "--prune-method woodfisher or mfac", got: { $0.pruningMethod },
        where: { $0.prunes && $0.pruning.pruneMethod.hasModel }),
    ]
  }

  private var prunes: Bool {
    pruning.sparsity != nil || pruning.pruneSchedule != nil || pruning.regrow != nil
  }
  private var pruneTakesMatrix: Bool {
    pruning.regrow == .marginal || (prunes && pruning.pruneMethod.takesGradients)
  }
  private var pruningMethod: String {
    prunes ? "--prune-method \(pruning.pruneMethod.rawValue)" : "no pruning"
  }
}

extension Configuration {
  /// Checks that every key of the file has an effect. A key without effect in the file itself is an
  /// error; one that loses its effect through the command line is a warning. Keys with their
  /// default values pass, and so does the `config.yaml` of a run, which has all keys.
  ///
  /// - Parameters:
  ///   - path: the file.
  ///   - local: the file's settings alone.
  ///   - settings: the file's settings, overridden by the command line's.
  ///   - typed: the options on the command line.
  /// - Returns: the warnings.
  /// - Throws: `ValidationError` naming the file and the key.
  func requireUse(
    of path: String, _ local: Settings, in settings: Settings, typed: Set<String>
  ) throws -> [String] {
    guard !isOfRun else { return [] }
    var warnings: [String] = []
    let asked = Set(arguments.map(\.key)).subtracting(typed)
    for use in settings.uses {
      let idle = use.idle(among: asked, in: settings).filter { !isStandard($0) }
      for option in idle {
        guard use.idle(among: [option], in: local).isEmpty else {
          throw ValidationError("\(path): \(option) \(use.problem(in: local))")
        }
        warnings.append("\(path): \(option) has no effect: it \(use.problem(in: settings))")
      }
    }
    return warnings
  }

  /// Returns true if a key has the value that it would have without its line.
  func isStandard(_ option: String) -> Bool {
    func value(_ arguments: [String]) -> [String]? {
      guard var settings = try? Settings.parse(arguments) else { return nil }
      // The settings may be incomplete without the command line: compare them as they are.
      try? settings.checkTogether()
      return declaredOptions(in: settings).first { $0.name == option }?.value
    }
    let without = arguments.filter { $0.key != option }.map(\.argument)
    return value(without) == value(arguments.map(\.argument))
  }
}
