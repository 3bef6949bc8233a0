import ArgumentParser
import Optimizers

/// The options that bound the change of the loss that an optimizer predicts for a step.
package struct ChangeBoundOptions: ParsableArguments {
  @Option(
    parsing: .unconditional,
    help: .advanced(
      """
      Shorten a step if the change η² uᵀFu that its curvature predicts exceeds this; inf disables. \
      (mfac, kfac; default: 0.00035 with mfac and a loss in nats; 0.001 with kfac and --step \
      fixed; else, and with --preset published, inf)
      """, valueName: "limit"))
  package var klClip: Double?

  @Option(
    parsing: .unconditional,
    help: .advanced(
      """
      Shorten a step if η² uᵀFu exceeds the square of this share of the loss's running mean. \
      (mfac, kfac; default: 0.015 with mfac and mean-squared-error)
      """, valueName: "share"))
  package var klClipRelative: Double?

  package init() {}

  package func validate() throws {
    if let klClip { try require(klClip > 0, "--kl-clip", "> 0", klClip) }
    if let klClipRelative {
      try require(
        klClipRelative > 0 && klClipRelative.isFinite, "--kl-clip-relative", "> 0 and finite",
        klClipRelative)
      try require(klClip == nil, "--kl-clip-relative", "no --kl-clip", klClipRelative)
    }
  }

  /// Fills in an optimizer's default.
  package mutating func resolve(standard: ChangeBound?) {
    guard klClip == nil, klClipRelative == nil else { return }
    switch standard {
    case nil: klClip = .infinity
    case .absolute(let bound): klClip = bound
    case .relative(let share): klClipRelative = share
    }
  }

  /// The bound; nil if there is none.
  package var bound: ChangeBound? {
    klClipRelative.map { .relative($0) }
      ?? klClip.flatMap { $0.isFinite ? .absolute($0) : nil }
  }
}
