import Foundation
import Support
import Testing

/// What one rank does wrong ends the job of all within seconds, with one message.
@Suite(.serialized) struct FaultTests {
  /// Runs a fault of `ranks-check`.
  private func run(ranks: Int = 3, _ arguments: String...) throws -> Program.Outcome {
    try Program.run(Program.process(ranks: ranks, program: Program.ranksCheck, arguments))
  }

  @Test func aTrapInOneRankEndsTheJob() throws {
    let outcome = try run("trap")
    #expect(outcome.status != 0)
    #expect(outcome.errors.contains("told to"))
  }

  @Test func anErrorInOneRankEndsAnExchangeThatHasBegun() throws {
    let outcome = try run("throw")
    #expect(outcome.status == 1)
    #expect(outcome.errors == "Error: rank 2: wrong: told to\n")
  }

  /// In the second of two steps of training, or in the evaluation behind it.
  @Test(arguments: [
    "gradient", "loss", "reduce_scatter", "sum", "solve", "direction", "update", "all_gather",
    "evaluation",
  ])
  func anErrorInAPhaseEndsTheJob(phase: String) throws {
    let outcome = try run("throw-in", phase)
    #expect(outcome.status == 1)
    #expect(outcome.errors == "Error: rank 2: wrong: told to\n")
  }

  /// In these nothing can throw.
  @Test(arguments: ["data", "gram_row"])
  func aTrapInAPhaseEndsTheJob(phase: String) throws {
    let outcome = try run("trap-in", phase)
    #expect(outcome.status != 0)
    #expect(outcome.errors.components(separatedBy: "Fatal error: told to").count == 2)
  }

  /// The others sum 3 numbers of each rank's and then gather one.
  @Test(
    arguments: zip(
      ["size", "operation", "order", "skip"],
      [
        "sum of size 12", "agreement", "all-gather of numbers of size 3",
        "all-gather of numbers of size 3",
      ]))
  func ranksThatPartAreToldApart(how: String, says: String) throws {
    let outcome = try run("part", how)
    #expect(outcome.status == 1)
    #expect(
      outcome.errors == """
        Error: the ranks have reached different collective operations: ranks 0-1 (operation 3: \
        sum of size 9), rank 2 (operation 3: \(says))

        """)
  }

  /// Where they do not part, comparing them changes nothing.
  @Test func checkedRunsAreTheSame() throws {
    #expect(try run("part", "nowhere").status == 0)
    let directory = try TemporaryDirectory()
    var models: Set<Data> = []
    for (ranks, arguments) in [
      (nil, []), (2, ["--check-collectives"]), (3, ["--check-collectives"]),
    ] {
      let run = directory.path("ranks-\(ranks ?? 0)")
      let outcome = try Program.train(
        ranks: ranks,
        [
          "--dataset", "digits", "--model", "mlp", "--window", "5", "--steps", "7",
          "--evaluate-every", "3", "--log-view", "--run-directory", run,
        ] + arguments)
      try #require(outcome.status == 0, "\(outcome.errors)")
      models.insert(try trainedNetwork(of: run))
    }
    #expect(models.count == 1)
  }
}
