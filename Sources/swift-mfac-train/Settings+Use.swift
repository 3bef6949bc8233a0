import ArgumentParser
import Launching

extension Settings {
  /// What each option is for, where it is not for all that can be set. The settings are as they were typed,
  /// before what depends on others is settled.
  static var uses: [OptionUse<Settings>] {
    [
      ofOptimizers(
        [
          "window", "window-type", "window-density", "insert-every", "precondition-every",
          "damping-relative", "spectrum-every",
        ], [.mfac]),
      ofOptimizers(
        ["checkpoint-window", "damping", "damping-schedule", "damping-final"], [.mfac, .kfac]),
      ofOptimizers(
        [
          "kfac-setting", "fisher", "factor-decay", "factor-every", "inverse-every", "damping-form",
          "solver", "kl-clip", "step", "kfac-normalization", "kfac-grad-workers",
        ], [.kfac]),
      use(
        ["damping-every", "damping-minimum", "damping-maximum"],
        beside: "--damping-schedule levenberg-marquardt",
        got: { $0.dampingOf },
        where: { $0.hasDamping && $0.damping.dampingSchedule == .levenbergMarquardt }),
      use(
        ["fisher-samples"], beside: "--fisher mc of --optimizer kfac",
        got: { $0.kfacWith("fisher", $0.kronecker.fisher.rawValue) },
        where: { $0.optimizer.optimizer == .kfac && $0.kronecker.fisher == .mc }),
      use(
        ["cg-operator", "cg-tolerance", "cg-iterations", "cg-warm-start"],
        beside: "--solver cg of --optimizer kfac",
        got: { $0.kfacWith("solver", $0.kronecker.solving.solver.rawValue) },
        where: { $0.optimizer.optimizer == .kfac && $0.kronecker.solving.solver == .cg }),
      use(
        ["kfac-factors"], beside: "--solver cholesky or eigen of --optimizer kfac",
        got: { $0.kfacWith("solver", $0.kronecker.solving.solver.rawValue) },
        where: { $0.optimizer.optimizer == .kfac && $0.kronecker.solving.solver != .cg }),
      // Rates of groups are shares of it.
      use(
        ["learning-rate"], beside: "--step fixed", got: { _ in "--step adaptive" },
        where: { !$0.isAdaptive || $0.rules.contains { $0.learningRate != nil } }),
      use(
        ["momentum", "schedule", "warm-up-steps", "cycle"], beside: "--step fixed",
        got: { _ in "--step adaptive" }, where: { !$0.isAdaptive }),
      use(
        ["drop-every", "drop-factor"], beside: "--schedule step",
        got: { $0.isAdaptive ? "--step adaptive" : "--schedule \($0.optimizer.schedule.rawValue)" },
        where: { $0.optimizer.schedule == .step && !$0.isAdaptive }),
      use(
        ["weight-decay-mode"], beside: "another optimizer than adamw, whose decay is decoupled",
        got: { _ in "--optimizer adamw" },
        where: { $0.optimizer.optimizer != .adamw || $0.optimizer.weightDecayMode == .decoupled }),
      use(
        ["prune-method", "include", "exclude", "scope"],
        beside: "--sparsity, --prune-schedule or --regrow", got: { _ in "none" },
        where: { $0.prunes }),
      use(
        ["max-tensor-sparsity"], beside: "--sparsity or --prune-schedule", got: { _ in "none" },
        where: { $0.pruning.sparsity != nil || $0.pruning.pruneSchedule != nil }),
      use(
        ["prune-gradients", "prune-gradient-batch"],
        beside: "another --prune-method than magnitude, or --regrow gradient or marginal",
        got: { $0.pruningMethod },
        where: { $0.pruning.regrow == .gradient || $0.pruneTakesMatrix }),
      use(
        ["prune-damping"],
        beside: "another --prune-method than magnitude, or --regrow marginal",
        got: { $0.pruningMethod }, where: { $0.pruneTakesMatrix }),
      use(
        ["prune-block-size"], beside: "--prune-method woodfisher", got: { $0.pruningMethod },
        where: { $0.prunes && $0.pruning.pruneMethod == .woodfisher }),
      use(
        ["prune-update"], beside: "--prune-method woodfisher or mfac", got: { $0.pruningMethod },
        where: { $0.prunes && [.woodfisher, .mfac].contains($0.pruning.pruneMethod) }),
    ]
  }

  private static func use(
    _ options: [String], beside: String, got: @escaping (Settings) -> String,
    where holds: @escaping (Settings) -> Bool
  ) -> OptionUse<Settings> {
    OptionUse(options, beside: beside, got: got, where: holds)
  }

  private static func ofOptimizers(
    _ options: [String], _ kinds: [OptimizerSettings.Kind]
  ) -> OptionUse<Settings> {
    use(
      options, beside: "--optimizer \(kinds.map(\.rawValue).joined(separator: " or "))",
      got: { "--optimizer \($0.optimizer.optimizer.rawValue)" },
      where: { kinds.contains($0.optimizer.optimizer) })
  }

  private var hasDamping: Bool { [.mfac, .kfac].contains(optimizer.optimizer) }
  private var dampingOf: String {
    hasDamping
      ? "--damping-schedule \(damping.dampingSchedule.rawValue)"
      : "--optimizer \(optimizer.optimizer.rawValue)"
  }
  private var isAdaptive: Bool { optimizer.optimizer == .kfac && kronecker.step == .adaptive }
  private func kfacWith(_ option: String, _ value: String) -> String {
    optimizer.optimizer == .kfac
      ? "--\(option) \(value)" : "--optimizer \(optimizer.optimizer.rawValue)"
  }
  private var prunes: Bool {
    pruning.sparsity != nil || pruning.pruneSchedule != nil || pruning.regrow != nil
  }
  private var pruneTakesMatrix: Bool {
    pruning.regrow == .marginal || (prunes && pruning.pruneMethod != .magnitude)
  }
  private var pruningMethod: String {
    prunes ? "--prune-method \(pruning.pruneMethod.rawValue)" : "no pruning"
  }
}

extension Configuration {
  /// Refuses keys that do nothing beside the file's own settings, and warns of those that do nothing beside
  /// the command line's. A key whose value it would have anyway asks for nothing; nor does the file that a
  /// run has left, which has all of them.
  ///
  /// - Parameters:
  ///   - own: the file's settings alone.
  ///   - settings: with the command line's over them, which has `typed`.
  /// - Returns: the warnings.
  func requireUse(
    of path: String, _ own: Settings, in settings: Settings, typed: Set<String>
  ) throws -> [String] {
    guard !isOfRun else { return [] }
    var warnings: [String] = []
    let asked = Set(arguments.map(\.key)).subtracting(typed)
    for use in Settings.uses {
      let idle = use.idle(among: asked, in: settings).filter { !isStandard($0) }
      for option in idle {
        guard use.idle(among: [option], in: own).isEmpty else {
          throw ValidationError("\(path): \(option): \(use.problem(in: own))")
        }
        warnings.append("\(path): \(option) has no effect: \(use.problem(in: settings))")
      }
    }
    return warnings
  }

  /// Whether a key has the value that it would have without its line.
  private func isStandard(_ option: String) -> Bool {
    func value(_ arguments: [String]) -> [String]? {
      guard var settings = try? Settings.parse(arguments) else { return nil }
      // What is half of a setting has no more to settle.
      try? settings.checkTogether()
      return declaredOptions(in: settings).first { $0.name == option }?.value
    }
    let without = arguments.filter { $0.key != option }.map(\.argument)
    return value(without) == value(arguments.map(\.argument))
  }
}
