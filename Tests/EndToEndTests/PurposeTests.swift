import RunRecords
import Support
import Testing

@Suite(.serialized) struct PurposeTests {
  /// Trains six epochs on real images: the loss falls from 2.3, that of guessing, and the network
  /// classifies the digits.
  @Test("M-FAC trains a network to classify digits", arguments: ["mlp", "cnn"])
  func classifiesDigits(model: String) throws {
    let directory = try TemporaryDirectory()
    let run = directory.path("run")
    let outcome = try Program.train(
      ranks: 2,
      [
        "--dataset", "digits", "--model", model, "--batch-size", "32", "--epochs", "6",
        "--run-directory", run,
      ])
    try #require(outcome.status == 0, "\(outcome.errors)")
    let last = try #require(try MetricsLine.read(run).last)
    #expect(try #require(last.testAccuracy) > 0.85)
  }
}
