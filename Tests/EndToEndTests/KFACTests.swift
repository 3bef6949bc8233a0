import Foundation
import Testing

/// K-FAC from outside: who does a layer's work changes no byte, and what cannot be is refused.
@Suite(.serialized) struct KFACTests {
  private static let settings = [
    "--dataset", "digits", "--model", "cnn", "--optimizer", "kfac", "--damping", "0.1", "--steps",
    "20", "--batch-size", "48", "--momentum", "0.9", "--factor-every", "3", "--inverse-every", "4",
  ]

  @Test(arguments: ["eigen", "cholesky"])
  func whoDoesALayersWorkChangesNoByte(solver: String) throws {
    let directory = try TemporaryDirectory()
    var models: Set<Data> = []
    for ranks in [1, 2, 3, 4, 8] {
      for (share, factors) in [("0.001", "owners"), ("0.5", "all"), ("1", "owners")] {
        let run = directory.path("\(ranks)-\(share)")
        let outcome = try Program.train(
          ranks: ranks,
          Self.settings + [
            "--solver", solver, "--kfac-grad-workers", share, "--kfac-factors", factors,
            "--run-directory", run,
          ])
        try #require(outcome.status == 0, "\(ranks) ranks, share \(share): \(outcome.errors)")
        models.insert(try trainedNetwork(of: run))
      }
    }
    #expect(models.count == 1)
  }

  /// The factors' averages are in a checkpoint unless it is told to leave them; then they begin anew.
  @Test func aRunGoesOnWithoutItsFactors() throws {
    let directory = try TemporaryDirectory()
    let run = directory.path("run")
    let settings =
      Self.settings + ["--checkpoint-window", "no", "--save-every-steps", "10"]
    #expect(try Program.train(ranks: 2, settings + ["--run-directory", run]).status == 0)
    let resumed = directory.path("resumed")
    let outcome = try Program.train(
      ranks: 3,
      settings + ["--run-directory", resumed, "--resume", "\(run)/checkpoints/step-00000010"])
    #expect(outcome.status == 0, "\(outcome.errors)")
    #expect(outcome.output.contains("resume     at step 10"))
  }

  @Test(arguments: [
    (["--damping-form", "exact"], "--damping-form exact: expected --solver eigen"),
    (["--damping-relative"], "--damping-relative: expected mfac"),
    (["--kl-clip", "0.1", "--step", "adaptive"], "--kl-clip: expected --step fixed with it"),
    (["--fisher-samples", "0"], "--fisher-samples: expected"),
    (["--kfac-grad-workers", "0"], "--kfac-grad-workers: expected in (0, 1]"),
    (["--factor-decay", "1"], "--factor-decay: expected in [0, 1)"),
  ])
  func whatCannotBeIsRefused(settings: [String], message: String) throws {
    let outcome = try Program.train(ranks: 2, Self.settings + settings)
    #expect(outcome.status != 0)
    #expect(
      outcome.errors.components(separatedBy: message).count == 2, "\(outcome.errors)")
  }
}
