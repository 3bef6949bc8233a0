import ArgumentParser
import Curvature
import LinearAlgebra
import Optimizers

package struct MFACOptions: OptimizerOptions {
  @Option(
    parsing: .unconditional,
    help: .init("m: number of past gradients in the window.", valueName: "m"))
  package var window = 256

  @Option(
    help: .init(
      """
      Number type of the window; bfloat16 halves its memory and time. (default: that of \
      --precision)
      """, valueName: "type"))
  package var windowType: RowType?

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
    try require("--window", in: 1...1_000_000, window)
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
          "window", "window-type", "window-density", "insert-every", "precondition-every",
          "damping-relative", "spectrum-every",
        ])
    ]
  }

  package static var learningRate: Double { 1e-3 }
  package var damping: Double { 1e-4 }

  package static var decayIsDecoupled: Bool { false }

  package func check(_ common: CommonOptimizerSettings) {}

  package func configuration(_ common: CommonOptimizerSettings) -> MFACConfiguration {
    var mfac = MFACConfiguration(
      window: window, windowForm: windowForm(common.precision),
      damping: common.damping, momentum: common.momentum, weightDecay: common.weightDecay)
    mfac.dampingRule = common.dampingRule
    mfac.insertEvery = insertEvery
    mfac.preconditionEvery = preconditionEvery
    return mfac
  }
}

extension MFACOptions {
  /// Fills in the number type of the window and checks it against the precision.
  ///
  /// - Throws: `ValidationError`.
  package mutating func resolve(for precision: Precision) throws {
    let types = RowType.types(for: precision.scalar)
    windowType = windowType ?? precision.scalar.rowType
    try require(
      types.contains(windowType!), "--window-type",
      "\(types.map(\.rawValue).joined(separator: " or ")) with --precision \(precision.rawValue)",
      windowType!.rawValue)
  }

  /// Returns the window's form; its type is nil if the window stores the gradients exactly.
  private func windowForm(_ precision: Precision) -> WindowForm {
    let isExact = windowDensity == 1 && windowType == precision.scalar.rowType
    return WindowForm(type: isExact ? nil : windowType, density: windowDensity)
  }
}

extension RowType: ExpressibleByArgument {}
