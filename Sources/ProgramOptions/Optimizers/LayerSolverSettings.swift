import ArgumentParser
import Curvature
import Optimizers

/// The options of the solver that computes a layer's K-FAC direction from its gradient.
package struct LayerSolverSettings: ParsableArguments {
  package enum Solver: String, CaseIterable, ExpressibleByArgument { case eigen, cholesky, cg }

  @Option(
    help: .advanced(
      """
      Solver of a layer's direction: inverse factors by cholesky or eigen (required by \
      --damping-form exact), or conjugate gradients without factors (cg).
      """))
  package var solver = Solver.cholesky

  @Option(
    help: .advanced(
      "Curvature of --solver cg: B⊗A (factored), or the layer's own Fisher matrix (fisher).",
      valueName: "operator"))
  package var cgOperator = CurvatureOperator.factored

  @Option(
    parsing: .unconditional,
    help: .advanced(
      "Stop conjugate gradients at this residual relative to the gradient, in (0, 1).",
      valueName: "ratio"))
  package var cgTolerance = 1e-2

  @Option(
    parsing: .unconditional,
    help: .advanced("Stop conjugate gradients after this many iterations.", valueName: "count"))
  package var cgIterations = 20

  @Flag(
    inversion: .prefixedNo,
    help: .advanced("Start conjugate gradients at the previous step's solution instead of zero."))
  package var cgWarmStart = true

  package init() {}

  package func validate() throws {
    try require("--cg-iterations", in: 1...1_000_000, cgIterations)
    try require(cgTolerance > 0 && cgTolerance < 1, "--cg-tolerance", "in (0, 1)", cgTolerance)
  }

  /// Default of `--factor-every`: the period of factor computation, in steps.
  package var factorEvery: Int { solver == .cg ? 1 : 10 }

  /// Checks that conjugate gradients are combined with supported settings.
  ///
  /// - Throws: `ValidationError`.
  package func check(factorEvery: Int, workerShare: Double) throws {
    guard solver == .cg else { return }
    try require(
      factorEvery == 1, "--factor-every",
      "1 with --solver cg, which takes samples from each step's batch", factorEvery)
    try require(
      workerShare == 1, "--kfac-grad-workers", "1 with --solver cg, which runs on all ranks",
      workerShare)
  }

  package var ofLayers: KFACConfiguration.Solver {
    switch solver {
    case .eigen: return .factors(.eigen)
    case .cholesky: return .factors(.cholesky)
    case .cg:
      var iterative = KFACConfiguration.IterativeSolver()
      iterative.operation = cgOperator
      iterative.method = ConjugateGradients(tolerance: cgTolerance, iterations: cgIterations)
      iterative.startsWarm = cgWarmStart
      return .conjugateGradients(iterative)
    }
  }
}

extension CurvatureOperator: ExpressibleByArgument {}
