import Foundation
import RunRecords
import Support
import Testing

/// Tests selections beyond the smallest saliencies of one model: candidates judged on held-out
/// examples, and improved masks.
@Suite(.serialized) struct PruneSelectionTests {
  private let directory = try! TemporaryDirectory()

  /// Returns the weights of a briefly trained network.
  private func trained() throws -> String {
    try TrainedDigits.weights(
      of: "mlp", ["--epochs", "3", "--batch-size", "32", "--momentum", "0.9"])
  }

  /// Prunes and returns the bytes of weights and masks, and the report.
  private func prune(
    ranks: Int?, to name: String, _ arguments: [String]
  ) throws -> (files: [Data], report: PruningReport) {
    let output = directory.path(name)
    let outcome = try Program.run(
      Program.process(
        ranks: ranks, program: Program.prune,
        [
          "--dataset", "digits", "--model", "mlp", "--weights", try trained(), "--output", output,
          "--method", "mfac", "--gradients", "60",
        ] + arguments))
    try #require(outcome.status == 0, "\(outcome.errors)")
    func bytes(_ file: String) throws -> Data {
      try Data(contentsOf: URL(filePath: "\(output)/\(file)"))
    }
    return (
      [try bytes("model.safetensors"), try bytes("masks.safetensors")],
      try PruningReport.read(output)
    )
  }

  /// Each stage takes the candidate with the least held-out loss; the result is the same for any
  /// number of ranks.
  @Test("candidates are judged on held-out examples") func judgedCandidates() throws {
    let arguments = [
      "--sparsity", "0.9", "--stages", "2", "--damping", "1e-4,1e-2", "--gradient-scale",
      "0,0.1,1000", "--update-step", "0.5,1", "--held-out", "150", "--gradient-batch", "5",
    ]
    var files: Set<[Data]> = []
    for ranks in [nil, 2, 3] {
      let (bytes, report) = try prune(ranks: ranks, to: "judged-\(ranks ?? 0)", arguments)
      files.insert(bytes)
      for stage in report.results[0].stages {
        let (candidates, chosen) = (try #require(stage.candidates), try #require(stage.chosen))
        // One mask for each λ and η, and for each mask all λ, η and τ.
        #expect(candidates.count == 6 * 12)
        let least = try #require(candidates.map(\.heldOutLoss.value).min())
        #expect(chosen == candidates.first { $0.heldOutLoss.value == least })
        #expect(candidates.map(\.heldOutLoss.value).max()! > 2 * least)
        #expect(chosen.gradientScale < 1000)
        let condition = try #require(stage.condition).value
        #expect(condition > 1 && stage.relativeChange.value > 0)
      }
      #expect(report.results[0].stages.map(\.sparsity).last == 0.9)
    }
    #expect(files.count == 1)
  }

  /// The model's minimum falls, with the same gradients and the same number of removed weights; the
  /// result is the same for any number of ranks.
  @Test("exchanges and thresholding improve the mask", arguments: ["exchange", "iht"])
  func improvedMasks(select: String) throws {
    let arguments = ["--sparsity", "0.9", "--damping", "1e-3"]
    let first = try prune(ranks: nil, to: "top-k", arguments).report.results[0]
    let change = try #require(first.stages[0].predictedChange)
    var files: Set<[Data]> = []
    for ranks in [nil, 2, 3] {
      let (bytes, report) = try prune(
        ranks: ranks, to: "\(select)-\(ranks ?? 0)", arguments + ["--select", select])
      files.insert(bytes)
      let result = report.results[0]
      #expect(result.removed == first.removed)
      let improved = try #require(result.stages[0].predictedChange)
      #expect(improved < change, "\(select)")
    }
    #expect(files.count == 1)
  }

  /// Stages and their parts begin from the given masks.
  @Test(
    "stages continue from given masks",
    arguments: [["--stages", "2"], ["--select", "greedy", "--greedy-steps", "2"]])
  func stagesFromMasks(path: [String]) throws {
    let name = path[1]
    _ = try prune(ranks: nil, to: "half-\(name)", ["--sparsity", "0.5"])
    let result = try prune(
      ranks: 2, to: "more-\(name)",
      ["--sparsity", "0.9", "--masks", directory.path("half-\(name)/masks.safetensors")] + path
    ).report.results[0]
    // Densities fall by equal factors from 0.5 to 0.1.
    let stages = result.stages.map(\.sparsity)
    #expect(stages.last == 0.9)
    #expect(stages.count == 1 || abs(stages[0] - (1 - (0.5 * 0.1).squareRoot())) < 1e-2)
  }
}
