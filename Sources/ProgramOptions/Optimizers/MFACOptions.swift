import ArgumentParser
import Curvature
import LinearAlgebra
import Optimizers

package struct MFACOptions: OptimizerOptions {
  @Option(parsing: .unconditional, help: "m, gradients in the window (mfac).")
  package var window = 256

  @Option(
    help: """
      Of the window's numbers: bfloat16 takes half the memory and time of float32. \
      (mfac; default: that of --precision)
      """)
  package var windowType: RowType?

  @Option(
    parsing: .unconditional,
    help: """
      The share of a gradient's coordinates that the window keeps, the largest ones; what it \
      leaves out is added to the next gradient (mfac).
      """)
  package var windowDensity = 1.0

  @Option(
    parsing: .unconditional,
    help: """
      I: the gradient of every I-th step goes into the window; others are preconditioned with it \
      beside those (mfac).
      """)
  package var insertEvery = 1

  @Option(
    parsing: .unconditional,
    help: """
      P: every P-th step takes its direction from the window; others go along their own gradient, \
      as far as the last of these (mfac).
      """)
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
  /// Fills in the type of the window's numbers.
  package mutating func resolve(for precision: Precision) throws {
    let types = RowType.types(for: precision.scalar)
    windowType = windowType ?? precision.scalar.rowType
    try require(
      types.contains(windowType!), "--window-type",
      "\(types.map(\.rawValue).joined(separator: " or ")) with --precision \(precision.rawValue)",
      windowType!.rawValue)
  }

  /// Names the type only where the window's numbers are not the gradients'.
  private func windowForm(_ precision: Precision) -> WindowForm {
    let isExact = windowDensity == 1 && windowType == precision.scalar.rowType
    return WindowForm(type: isExact ? nil : windowType, density: windowDensity)
  }
}

extension RowType: ExpressibleByArgument {}
