import Foundation
import RunRecords
import Support
import Testing

/// Tests for the same bytes with any number of ranks, through the real launcher.
@Suite struct RankInvarianceTests {
  /// Compares sums, exchanges and the sharded Fisher matrix with plain computations.
  @Test("collectives are correct and the same for any number of ranks") func collectives() throws {
    var digests: [String: Set<Substring>] = [:]
    var names: Set<[Substring]> = []
    for ranks in [nil, 1, 2, 3, 4, 5, 8] {
      let outcome = try Program.run(
        Program.process(ranks: ranks, program: Program.ranksCheck, []))
      try #require(outcome.status == 0, "\(ranks ?? 0) ranks: \(outcome.output)\(outcome.errors)")
      let lines = outcome.output.split(separator: "\n").map { $0.split(separator: " ") }
      try #require(!lines.isEmpty && lines.allSatisfy { $0.count == 2 }, "\(outcome.output)")
      names.insert(lines.map { $0[0] })
      for line in lines { digests[String(line[0]), default: []].insert(line[1]) }
    }
    #expect(names.count == 1, "\(names)")
    let differing = digests.filter { $0.value.count > 1 }.keys.sorted()
    #expect(differing.isEmpty, "digests that depend on the ranks")
  }

  /// Uses micro-batches that are no power of two, and more ranks than the network has cells.
  @Test("uneven shares give the same network", arguments: [6, 7])
  func unevenShares(microBatches: Int) throws {
    let directory = try TemporaryDirectory()
    let model = try directory.write(
      "input: [64]\nlayers: [{linear: {in: 64, out: 1}}, tanh, {linear: {in: 1, out: 10}}]",
      to: "model.yaml")
    var models: Set<Data> = []
    for ranks in [nil, 3, 5] {
      let run = directory.path("ranks-\(ranks ?? 0)")
      let outcome = try Program.train(
        ranks: ranks,
        [
          "--dataset", "digits", "--model", model, "--micro-batches", "\(microBatches)",
          "--batch-size", "\(6 * microBatches)", "--steps", "12", "--window", "5",
          "--run-directory", run,
        ])
      try #require(outcome.status == 0, "\(outcome.errors)")
      // d = 85 in one cell: all ranks but one own nothing.
      #expect(outcome.output.contains("d = 85 parameters in 1 cells"))
      models.insert(try trainedNetwork(of: run))
    }
    #expect(models.count == 1)
  }

  static let runs: [(String, [String])] = [
    // d = 17,226, a multiple of neither 5 nor 8, in 216 cells, with every option that acts on a
    // slice.
    (
      "mlp, M-FAC",
      ["--model", "mlp", "--momentum", "0.9", "--weight-decay", "1e-3", "--window", "24"]
    ),
    ("mlp, bfloat16", ["--model", "mlp", "--window", "10", "--window-type", "bfloat16"]),
    (
      "cnn, sparse",
      ["--model", "cnn", "--window", "19", "--window-density", "0.05", "--weight-decay", "1e-3"]
    ),
    (
      "mlp, sparse bfloat16",
      ["--model", "mlp", "--window", "9", "--window-density", "0.01", "--window-type", "bfloat16"]
    ),
    ("cnn, M-FAC", ["--model", "cnn", "--window", "7", "--weight-decay-mode", "decoupled"]),
    ("mlp, SGD", ["--model", "mlp", "--optimizer", "sgd", "--momentum", "0.9"]),
    (
      "mlp, M-FAC, its damping moved and its passes left out",
      [
        "--model", "mlp", "--window", "9", "--momentum", "0.5", "--damping-schedule",
        "levenberg-marquardt", "--damping-relative", "--damping", "0.1", "--damping-every",
        "2", "--insert-every", "3", "--precondition-every", "2", "--clip-norm", "0.5",
      ]
    ),
    ("mlp, AdamW", ["--model", "mlp", "--optimizer", "adamw", "--weight-decay", "0.01"]),
    (
      "cnn, K-FAC",
      [
        "--model", "cnn", "--optimizer", "kfac", "--momentum", "0.9", "--weight-decay", "1e-3",
        "--damping", "0.1", "--factor-every", "3", "--inverse-every", "4", "--kl-clip", "0.01",
      ]
    ),
    (
      "mlp, K-FAC, adaptive steps and damping",
      [
        "--model", "mlp", "--optimizer", "kfac", "--step", "adaptive", "--damping-schedule",
        "levenberg-marquardt", "--damping", "0.1", "--damping-form", "exact", "--solver", "eigen",
        "--fisher", "type2", "--kfac-grad-workers", "0.3",
      ]
    ),
    (
      "mlp, M-FAC in double precision, its window sparse and its damping moved",
      [
        "--precision", "float64", "--model", "mlp", "--window", "9", "--window-type", "float32",
        "--window-density", "0.2", "--damping-schedule", "levenberg-marquardt", "--damping", "0.1",
        "--damping-relative", "--momentum", "0.5", "--clip-norm", "0.5",
      ]
    ),
    (
      "cnn, K-FAC in double precision, adaptive, by conjugate gradients",
      [
        "--precision", "float64", "--model", "cnn", "--optimizer", "kfac", "--step", "adaptive",
        "--damping", "0.1", "--solver", "cg", "--cg-operator", "fisher",
      ]
    ),
  ]

  @Test("the trained network does not depend on the number of ranks", arguments: runs)
  func rankInvariance(name: String, settings: [String]) throws {
    let directory = try TemporaryDirectory()
    let settings =
      settings + ["--dataset", "digits", "--batch-size", "48", "--steps", "32"]
      + (settings.contains("adaptive") ? [] : ["--schedule", "cosine", "--warm-up-steps", "4"])
    var models: [Data] = []
    var losses: [[Double?]] = []
    for ranks in rankCounts(forSettings: Self.runs.firstIndex { $0.0 == name }!) {
      let run = directory.path("ranks-\(ranks ?? 0)")
      let outcome = try Program.train(ranks: ranks, settings + ["--run-directory", run])
      try #require(outcome.status == 0, "\(ranks ?? 0) ranks: \(outcome.errors)")
      models.append(try trainedNetwork(of: run))
      losses.append(
        try MetricsLine.read(run).flatMap { [$0.loss, $0.gradientNorm, $0.testLoss] })
    }
    #expect(models.dropFirst().allSatisfy { $0 == models[0] }, "\(name): the networks differ")
    #expect(losses.dropFirst().allSatisfy { $0 == losses[0] }, "\(name): the losses differ")
    // The network was trained: another seed gives another network.
    let other = directory.path("seed")
    _ = try Program.train(settings + ["--seed", "1", "--run-directory", other])
    #expect(try trainedNetwork(of: other) != models[0])
  }

  /// Batch norm's running statistics, dropout and augmentation depend on micro-batches and
  /// examples, not on ranks.
  @Test("a residual network does not depend on the number of ranks") func residualNetwork() throws {
    let directory = try TemporaryDirectory()
    var models: Set<Data> = []
    for ranks in [nil, 1, 2, 3, 8] {
      let run = directory.path("ranks-\(ranks ?? 0)")
      let outcome = try Program.train(
        ranks: ranks,
        [
          "--dataset", "digits", "--augment", "standard", "--crop-padding", "1", "--model",
          "resnet20", "--batch-size", "16", "--steps", "6", "--window", "5", "--learning-rate",
          "0.01", "--label-smoothing", "0.1", "--run-directory", run,
        ])
      try #require(outcome.status == 0, "\(outcome.errors)")
      let model = try trainedNetwork(of: run)
      #expect(model.range(of: Data("layer3.0.downsample.1.running_var".utf8)) != nil)
      models.insert(model)
    }
    #expect(models.count == 1)
  }

  /// Trains the built-in language model, and a similar one with dropout.
  @Test(
    "a transformer does not depend on the number of ranks",
    arguments: ["gpt-mini", "with dropout"])
  func transformer(model: String) throws {
    let directory = try TemporaryDirectory()
    let words = (0..<4000).map { "\($0 * $0 % 97)" }
    let text = try directory.write(words.joined(separator: " "), to: "text")
    let file = try directory.write(
      """
      input: [8]
      layers:
        - embedding: {vocabulary: 256, width: 12}
        - position-embedding
        - dropout: {probability: 0.1}
        - add: {layers: [layer-norm, attention: {heads: 2, causal: true}, dropout]}
        - linear: {in: 12, out: 256}
      """, to: "model.yaml")
    var models: Set<Data> = []
    for ranks in [nil, 1, 2, 3, 8] {
      let run = directory.path("ranks-\(ranks ?? 0)")
      let outcome = try Program.train(
        ranks: ranks,
        [
          "--dataset", "text:\(text)", "--context-length", "8", "--model",
          model == "gpt-mini" ? model : file, "--batch-size", "16", "--steps", "4", "--window", "3",
          "--run-directory", run,
        ])
      try #require(outcome.status == 0, "\(outcome.errors)")
      models.insert(try trainedNetwork(of: run))
    }
    #expect(models.count == 1)
  }
}
