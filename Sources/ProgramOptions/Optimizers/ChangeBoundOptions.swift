import ArgumentParser
import Optimizers

/// The options that bound the change of the loss that an optimizer predicts for a step.
package struct ChangeBoundOptions: ParsableArguments {
  @Option(
    parsing: .unconditional,
    help: .advanced(
      """
      Shorten a step if the change η² uᵀFu that its curvature predicts exceeds this; inf disables. \
      (mfac, kfac; default: 0.001 with kfac and --step fixed; else inf, beside --kl-budget)
      """, valueName: "limit"))
  package var klClip: Double?

  @Option(
    parsing: .unconditional,
    help: .advanced(
      """
      Shorten a step if η² uᵀFu exceeds the square of this share of the loss's running mean. \
      (mfac, kfac)
      """, valueName: "share"))
  package var klClipRelative: Double?

  @Option(
    parsing: .unconditional,
    help: .advanced(
      """
      Bound the sum of η² uᵀFu over the run: --kl-clip is this number divided by the steps of the \
      run, or with mean-squared-error the square of --kl-clip-relative. (mfac, kfac; default: \
      0.125 with mfac; none with --preset published)
      """, valueName: "sum"))
  package var klBudget: Double?

  /// An optimizer's default.
  package enum Standard {
    case clip(Double)
    case budget(Double)
  }

  /// The options, of which a run has one.
  package static let keys = ["kl-clip", "kl-clip-relative", "kl-budget"]

  package init() {}

  package func validate() throws {
    if let klClip { try require(klClip > 0, "--kl-clip", "> 0", klClip) }
    if let klClipRelative {
      try require(
        klClipRelative > 0 && klClipRelative.isFinite, "--kl-clip-relative", "> 0 and finite",
        klClipRelative)
      try require(klClip == nil, "--kl-clip-relative", "no --kl-clip", klClipRelative)
    }
    if let klBudget {
      try require(klBudget > 0 && klBudget.isFinite, "--kl-budget", "> 0 and finite", klBudget)
      try require(
        klClip == nil && klClipRelative == nil, "--kl-budget",
        "neither --kl-clip nor --kl-clip-relative", klBudget)
    }
  }

  /// Fills in an optimizer's default.
  package mutating func resolve(standard: Standard?) {
    guard klClip == nil, klClipRelative == nil, klBudget == nil else { return }
    switch standard {
    case nil: klClip = .infinity
    case .clip(let limit): klClip = limit
    case .budget(let sum): klBudget = sum
    }
  }

  /// The option that sets a bound, and its value; nil without a bound.
  var given: (flag: String, value: Double)? {
    klBudget.map { ("--kl-budget", $0) } ?? klClipRelative.map { ("--kl-clip-relative", $0) }
      ?? klClip.flatMap { $0.isFinite ? ("--kl-clip", $0) : nil }
  }

  /// Returns the bound of a step; nil if there is none.
  ///
  /// - Parameters:
  ///   - steps: number of steps of the run.
  ///   - isInNats: whether the loss is a negative logarithm of a probability.
  package func bound(steps: Int, isInNats: Bool) -> ChangeBound? {
    klBudget.map { .share(of: $0, steps: steps, isInNats: isInNats) }
      ?? klClipRelative.map { .relative($0) }
      ?? klClip.flatMap { $0.isFinite ? .absolute($0) : nil }
  }
}
