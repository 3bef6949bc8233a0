import Foundation
import Support
import Testing

/// Tests that a fault of one rank ends the whole job within seconds, with one message.
@Suite(.serialized) struct FaultTests {
  private func run(ranks: Int = 3, _ arguments: String...) throws -> Program.Outcome {
    try Program.run(Program.process(ranks: ranks, program: Program.ranksCheck, arguments))
  }

  /// Returns the lines that are not Open MPI's: it may report that a rank ended while another
  /// copied from its memory.
  private func ownErrors(_ outcome: Program.Outcome) -> [Substring] {
    outcome.errors.split(separator: "\n").filter { !$0.contains("] Read -1, expected ") }
  }

  @Test("a trap in one rank ends the job") func trappedRank() throws {
    let outcome = try run("trap")
    #expect(outcome.status != 0)
    #expect(outcome.errors.contains("told to"))
  }

  @Test("an error in one rank ends an exchange in progress") func errorDuringExchange() throws {
    let outcome = try run("throw")
    #expect(outcome.status == 1)
    #expect(ownErrors(outcome) == ["Error: rank 2: wrong: told to"])
  }

  /// The error occurs in the second of two training steps, or in the evaluation after it.
  @Test(
    "an error in any phase ends the job",
    arguments: [
      "gradient", "loss", "reduce_scatter", "sum", "solve", "direction", "update", "all_gather",
      "evaluation",
    ])
  func errorInPhase(phase: String) throws {
    let outcome = try run("throw-in", phase)
    #expect(outcome.status == 1)
    #expect(ownErrors(outcome) == ["Error: rank 2: wrong: told to"])
  }

  /// These phases cannot throw.
  @Test("a trap in any phase ends the job", arguments: ["data", "gram_row"])
  func trapInPhase(phase: String) throws {
    let outcome = try run("trap-in", phase)
    #expect(outcome.status != 0)
    #expect(outcome.errors.components(separatedBy: "Fatal error: told to").count == 2)
  }

  /// The other ranks sum 3 numbers of each rank and then gather one.
  @Test(
    "ranks in different collectives are named with their operations",
    arguments: zip(
      ["size", "operation", "order", "skip"],
      [
        "sum of size 12", "agreement", "all-gather of numbers of size 3",
        "all-gather of numbers of size 3",
      ]))
  func divergedRanks(how: String, says: String) throws {
    let outcome = try run("part", how)
    #expect(outcome.status == 1)
    #expect(
      outcome.errors == """
        Error: the ranks have reached different collective operations: ranks 0-1 (operation 3: \
        sum of size 9), rank 2 (operation 3: \(says))

        """)
  }

  /// Checking the collectives does not change a correct run.
  @Test("runs with checked collectives give the same network") func checkedRuns() throws {
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
