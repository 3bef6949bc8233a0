import ArgumentParser
import Curvature
import LinearAlgebra
import Optimizers

package struct MFACOptions: OptimizerOptions {
  package enum Preset: String, CaseIterable, ExpressibleByArgument { case adaptive, published }
  package enum Metric: String, CaseIterable, ExpressibleByArgument { case identity, adam }
  package enum History: String, CaseIterable, ExpressibleByArgument { case average, nesterov }

  @Option(
    help: .advanced(
      """
      Defaults of M-FAC: adaptive has Adam's metric, a history, relative damping, a bound on the \
      predicted change and clipping; published has none of them.
      """, valueName: "name"))
  package var preset = Preset.adaptive

  @Option(
    parsing: .unconditional,
    help: .init(
      "m: number of past gradients in the window. (default: 128; 256 with --preset published)",
      valueName: "m"))
  package var window: Int?

  @Option(
    help: .init(
      """
      Number type of the window; bfloat16 halves its memory and time, int8 again. (default: \
      bfloat16; that of --precision with float64 or --preset published)
      """, valueName: "type"))
  package var windowType: RowType?

  @Option(
    help: .advanced(
      """
      Metric of the parameters: adam divides by the root of its moving average of squared \
      gradients, identity by nothing. (default: adam; identity with --preset published)
      """, valueName: "metric"))
  package var metric: Metric?

  @Option(
    parsing: .unconditional,
    help: .advanced(
      "β₂: decay of the squared gradients, in (0, 1); at least 1 − 1/m. (--metric adam)",
      valueName: "decay"))
  package var metricDecay = MFACConfiguration.AdamMetric().decay

  @Option(
    parsing: .unconditional,
    help: .advanced("ε: added to the root of the squared gradients. (--metric adam)"))
  package var metricEpsilon = MFACConfiguration.AdamMetric().epsilon

  @Option(
    parsing: .unconditional,
    help: .advanced(
      """
      β: precondition the average of the window's gradients with weights β^age, in [0, 1); 0 takes \
      the newest gradient alone. (default: 0.9; 0 with --preset published)
      """, valueName: "decay"))
  package var historyDecay: Double?

  @Option(
    help: .advanced(
      """
      Weights of the history: the average, or Nesterov's, one step ahead. (default: nesterov; \
      average with --preset published)
      """, valueName: "weights"))
  package var history: History?

  @Option(
    parsing: .unconditional,
    help: .advanced(
      """
      Keep this fraction of each gradient's coordinates, the largest, in the window; add the rest \
      to the next gradient.
      """, valueName: "fraction"))
  package var windowDensity = 1.0

  @Option(
    parsing: .unconditional,
    help: .advanced(
      """
      Insert the gradient of every N-th step into the window; precondition the others exactly as \
      if inserted.
      """, valueName: "steps"))
  package var insertEvery = 1

  @Option(
    parsing: .unconditional,
    help: .advanced(
      """
      Precondition every N-th step; the others follow their own gradient, scaled to the last \
      preconditioned step's length.
      """, valueName: "steps"))
  package var preconditionEvery = 1

  package init() {}

  package func validate() throws {
    try require("--window", in: 1...1_000_000, window ?? 1)
    try require(metricDecay > 0 && metricDecay < 1, "--metric-decay", "in (0, 1)", metricDecay)
    try require(
      metricEpsilon > 0 && metricEpsilon.isFinite, "--metric-epsilon", "> 0 and finite",
      metricEpsilon)
    try require(
      (0..<1).contains(historyDecay ?? 0), "--history-decay", "in [0, 1)", historyDecay ?? 0)
    try require(
      windowDensity > 0 && windowDensity <= 1, "--window-density", "in (0, 1]", windowDensity)
    for (flag, steps) in [
      ("--insert-every", insertEvery), ("--precondition-every", preconditionEvery),
    ] {
      try require(flag, in: 1...1_000_000, steps)
    }
  }

  package static func uses<Program: OptimizerSelection>(
    in: Program.Type
  ) -> [OptionUse<Program>] {
    [
      used(
        [
          "preset", "window", "window-type", "window-density", "metric", "history-decay",
          "insert-every", "precondition-every", "damping-relative", "spectrum-every",
        ]),
      OptionUse(
        ["metric-decay", "metric-epsilon"], beside: "--metric adam of --optimizer mfac",
        got: { $0.mfacWith("metric", $0.mfac.selectedMetric.rawValue) },
        where: { $0.usesMFAC && $0.mfac.selectedMetric == .adam }),
      OptionUse(
        ["history"], beside: "a --history-decay above 0 of --optimizer mfac",
        got: { $0.mfacWith("history-decay", "\($0.mfac.selectedDecay)") },
        where: { $0.usesMFAC && $0.mfac.selectedDecay > 0 }),
    ]
  }

  private var isPublished: Bool { preset == .published }
  /// The preset's settings.
  private var standard: MFACConfiguration { isPublished ? .published() : MFACConfiguration() }
  fileprivate var selectedMetric: Metric { metric ?? (standard.metric == nil ? .identity : .adam) }
  fileprivate var selectedDecay: Double { historyDecay ?? standard.history.decay }
  private var selectedHistory: History {
    history ?? (standard.history.isNesterov ? .nesterov : .average)
  }

  package static var learningRate: Double { 0.1 }
  package var learningRate: Double { isPublished ? 1e-3 : Self.learningRate }
  package var damping: Double { standard.damping }
  package var dampingIsRelative: Bool { standard.dampingRule.isRelative }
  package var clipNorm: Double? { isPublished ? nil : 1 }

  package var bound: ChangeBoundOptions.Standard? {
    isPublished ? nil : .budget(MFACConfiguration.budget)
  }

  package static var decayIsDecoupled: Bool { false }

  package func configuration(_ common: CommonOptimizerSettings) -> MFACConfiguration {
    var mfac = MFACConfiguration.published(
      window: window ?? standard.window, windowForm: windowForm(common.precision),
      damping: common.damping, momentum: common.momentum, weightDecay: common.weightDecay)
    mfac.peakRate = common.learningRate
    mfac.dampingRule = common.dampingRule
    if selectedMetric == .adam {
      var metric = MFACConfiguration.AdamMetric()
      (metric.decay, metric.epsilon) = (metricDecay, metricEpsilon)
      mfac.metric = metric
    }
    mfac.history = HistoryWeights(decay: selectedDecay, isNesterov: selectedHistory == .nesterov)
    mfac.changeBound = common.bound
    mfac.insertEvery = insertEvery
    mfac.preconditionEvery = preconditionEvery
    return mfac
  }
}

extension OptimizerSelection {
  fileprivate var usesMFAC: Bool { optimizerName.rawValue == MFACOptions.optimizer }

  fileprivate func mfacWith(_ option: String, _ value: String) -> String {
    usesMFAC ? "--\(option) \(value)" : "--optimizer \(optimizerName.rawValue)"
  }
}

extension MFACOptions {
  /// Keys whose defaults depend on `preset`.
  package static let keysOfPreset =
    ["learning-rate", "clip-norm", "damping", "damping-relative"] + ChangeBoundOptions.keys
    + ["window", "window-type", "metric", "history-decay", "history"]

  /// Fills in the preset's defaults and the number type of the window, and checks that type against
  /// the precision.
  ///
  /// - Throws: `ValidationError`.
  package mutating func resolve(for precision: Precision) throws {
    window = window ?? standard.window
    metric = selectedMetric
    historyDecay = selectedDecay
    history = selectedHistory
    let types = RowType.types(for: precision.scalar)
    windowType =
      windowType ?? (precision == .float64 ? nil : standard.windowForm.type)
      ?? precision.scalar.rowType
    try require(
      types.contains(windowType!), "--window-type",
      types.dropLast().map(\.rawValue).joined(separator: ", ")
        + " or \(types.last!.rawValue) with --precision \(precision.rawValue)",
      windowType!.rawValue)
    try require(
      windowDensity == 1 || !windowType!.isScaled, "--window-density", "1 with --window-type int8",
      windowDensity)
  }

  /// Returns the window's form; its type is nil if the window stores the gradients exactly.
  private func windowForm(_ precision: Precision) -> WindowForm {
    let isExact = windowDensity == 1 && windowType == precision.scalar.rowType
    return WindowForm(type: isExact ? nil : windowType, density: windowDensity)
  }
}

extension RowType: ExpressibleByArgument {}
