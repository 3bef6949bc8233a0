import RunRecords
import Support
import Testing

@Suite(.serialized) struct PurposeTests {
  /// Six epochs over real images: from 2.3, the loss of guessing, to a network that reads digits.
  @Test(arguments: ["mlp", "cnn"])
  func readsDigits(model: String) throws {
    let directory = try TemporaryDirectory()
    let run = directory.path("run")
    let outcome = try Program.train(
      ranks: 2,
      [
        "--dataset", "digits", "--model", model, "--batch-size", "32", "--epochs", "6",
        "--window", "64", "--learning-rate", "0.01", "--damping", "0.01", "--run-directory", run,
      ])
    try #require(outcome.status == 0, "\(outcome.errors)")
    let last = try #require(try MetricsLine.read(run).last)
    #expect(try #require(last.testAccuracy) > 0.85)
  }
}
