import Foundation
import RunRecords
import Support
import Testing

/// Tests training with given masks, and messages about masks.
@Suite(.serialized) struct MaskedTrainingTests {
  private let directory = try! TemporaryDirectory()

  /// Trains a pruned network: its masks stay, and the weights that they keep are trained, including
  /// zeros.
  @Test("masks are read, not guessed from zeros") func masksAndZeros() throws {
    let dense = try directory.train("dense", ["--model", "mlp", "--steps", "40", "--window", "16"])
      .run
    for sparsity in ["0.5", "0.9"] {
      let outcome = try Program.run(
        Program.process(
          ranks: nil, program: Program.prune,
          [
            "--dataset", "digits", "--model", "mlp", "--weights", "\(dense)/model.safetensors",
            "--sparsity", sparsity, "--include", "[13].weight", "--output",
            directory.path("pruned-\(sparsity)"),
          ]))
      try #require(outcome.status == 0, "\(outcome.errors)")
    }
    let (half, most) = (directory.path("pruned-0.5"), directory.path("pruned-0.9"))
    let settings = ["--model", "mlp", "--steps", "12", "--window", "6"]
    let (run, output) = try directory.train(
      "kept",
      settings + [
        "--weights", "\(most)/model.safetensors", "--masks", "\(half)/masks.safetensors",
      ])
    let (before, after) = (try SparseNetwork(half), try SparseNetwork(run))
    #expect(after.kept == before.kept && after.kept.keys.sorted() == ["1.weight", "3.weight"])
    #expect(
      output.contains("masks      \(after.removed) of \(after.all) weights removed in 2 tensors"))
    after.checkZeros()
    let start = try SparseNetwork(most)
    for (name, values) in after.weights {
      guard let kept = after.kept[name] else { continue }
      let zeros = start.weights.first { $0.name == name }!.values
      let trained = kept.indices.filter { kept[$0] && zeros[$0] == 0 }
      #expect(trained.count > 1000 && trained.count { values[$0] != 0 } > trained.count / 2)
    }
    // Pruning continues from there, and the sparsity may not fall.
    let more = [
      "--masks", "\(half)/masks.safetensors", "--include", "[13].weight", "--prune-begin", "4",
      "--prune-every", "4",
    ]
    let further = try directory.train("further", settings + more + ["--sparsity", "0.75"]).run
    #expect(try SparseNetwork(further).removed == (try SparseNetwork(further)).all * 3 / 4)
    let refusals: [([String], [String])] = [
      (more + ["--sparsity", "0.4"], ["--sparsity", "at least 0.5", "0.4"]),
      (
        ["--masks", "\(half)/masks.safetensors", "--sparsity", "0.9", "--prune-every", "4"],
        ["masks.safetensors", "no mask of '5.weight'"]
      ),
      (
        more.map { $0 == "[13].weight" ? "1.weight" : $0 } + ["--sparsity", "0.9"],
        ["masks.safetensors", "'3.weight'", "not to be pruned"]
      ),
      (
        ["--masks", "\(half)/masks.safetensors", "--regrow", "random", "--sparsity", "0.9"],
        ["--regrow random", "both"]
      ),
    ]
    for (arguments, says) in refusals {
      let outcome = try Program.train(
        ["--dataset", "digits", "--run-directory", directory.path("refused")] + settings + arguments
      )
      #expect(outcome.status != 0)
      for text in says { #expect(outcome.errors.contains(text), "'\(text)' in \(outcome.errors)") }
      #expect(!FileManager.default.fileExists(atPath: directory.path("refused")))
    }
    let other = try Program.train([
      "--dataset", "digits", "--model", "cnn", "--steps", "2", "--masks",
      "\(half)/masks.safetensors", "--run-directory", directory.path("refused"),
    ])
    #expect(other.status != 0 && other.errors.contains("a mask of another model"))
  }

  /// Lists of patterns are keys like any other; a run's own configuration repeats it.
  @Test("a sparse run is repeated from its configuration") func repeatedRun() throws {
    let file = try directory.write(
      """
      dataset: digits
      model: mlp
      window: 8
      steps: 30
      save-every-steps: 10
      sparsity: 0.7
      prune-every: 1epoch
      prune-begin: 7
      include: ["*.weight", "3.*"]
      exclude: 5.weight
      """, to: "settings.yaml")
    let first = try directory.train("first", ["--config", file]).run
    #expect(try PruningEvent.read(first).map(\.step) == [7])
    let network = try SparseNetwork(first)
    #expect(network.kept.keys.sorted() == ["1.weight", "3.bias", "3.weight"])
    let second = try directory.train("second", ["--config", "\(first)/config.yaml"]).run
    #expect(try trainedNetwork(of: second) == trainedNetwork(of: first))
    // Flags override the file's lists.
    let third = try directory.train("third", ["--config", file, "--include", "1.*"]).run
    #expect(try SparseNetwork(third).kept.keys.sorted() == ["1.bias", "1.weight"])
    // A setting that differs at a resume is reported.
    let resumed = try directory.train(
      "resumed",
      ["--config", file, "--sparsity", "0.75", "--resume", checkpoint(first, 20)])
    #expect(resumed.output.contains("--sparsity is 0.75, and was 0.7"), "\(resumed.output)")
  }

  /// Removing weights gradually during training costs less than removing them all at once.
  @Test("gradual pruning keeps accuracy that one-shot pruning loses") func gradualPruning() throws {
    let settings = ["--model", "mlp", "--optimizer", "sgd", "--momentum", "0.9"]
    let dense = try directory.train(
      "good", settings + ["--learning-rate", "0.05", "--epochs", "4"]
    ).run
    let weights = "\(dense)/model.safetensors"
    let start = settings + ["--weights", weights, "--sparsity", "0.95"]
    func accuracy(_ name: String, _ arguments: [String]) throws -> Double {
      let run = try directory.train(name, start + arguments).run
      #expect(try SparseNetwork(run).removed == 16173)
      return try #require(MetricsLine.read(run).last?.testAccuracy)
    }
    let oneShot = try accuracy(
      "at-once",
      ["--steps", "1", "--learning-rate", "0", "--prune-schedule", "0.95", "--prune-begin", "0"])
    let gradual = try accuracy(
      "by-and-by",
      [
        "--epochs", "4", "--learning-rate", "0.05", "--prune-begin", "0", "--prune-every", "5",
      ])
    #expect(gradual > 0.85 && gradual > oneShot + 0.2, "\(oneShot) and \(gradual)")
  }
}
