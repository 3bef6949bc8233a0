import ArgumentParser
import Curvature
import LinearAlgebra
import Optimizers

package struct MFACOptions: OptimizerOptions {
  @Option(parsing: .unconditional, help: "m, gradients in the window (mfac).")
  package var window = 256

  @Option(help: "Of the window's numbers: float32, or bfloat16 in half the memory and time (mfac).")
  package var windowType = RowType.float32

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

  package func configuration(_ common: CommonOptimizerSettings) -> ShardedMFAC.Configuration {
    var mfac = ShardedMFAC.Configuration(
      window: window, windowForm: WindowForm(type: windowType, density: windowDensity),
      damping: common.damping, momentum: common.momentum, weightDecay: common.weightDecay)
    mfac.dampingRule = common.dampingRule
    mfac.insertEvery = insertEvery
    mfac.preconditionEvery = preconditionEvery
    return mfac
  }
}

extension RowType: ExpressibleByArgument {
  /// Those that rows of single precision are worth storing in.
  public static var allValueStrings: [String] { types(for: Float.self).map(\.rawValue) }

  public init?(argument: String) {
    guard Self.allValueStrings.contains(argument) else { return nil }
    self.init(rawValue: argument)
  }
}
