import Formats
import Foundation
import RunRecords
import Support
import Testing

/// Tests the pruning program on small networks trained on the digits.
@Suite struct PruneTests {
  let directory = try! TemporaryDirectory()

  /// Returns the weights of a briefly trained network.
  func trained(_ model: String) throws -> String {
    try TrainedDigits.weights(
      of: model, ["--epochs", "4", "--batch-size", "32", "--momentum", "0.9"])
  }

  func prune(
    ranks: Int? = nil, _ model: String, to name: String, _ arguments: [String]
  ) throws -> (output: String, text: String) {
    let output = directory.path(name)
    let outcome = try Program.run(
      Program.process(
        ranks: ranks, program: Program.prune,
        [
          "--dataset", "digits", "--model", model, "--weights", try trained(model), "--output",
          output,
        ] + arguments))
    try #require(outcome.status == 0, "\(ranks ?? 0) ranks: \(outcome.errors)")
    return (output, outcome.output)
  }

  func bytes(_ path: String) throws -> Data { try Data(contentsOf: URL(filePath: path)) }

  /// Returns the least integer not below a share in thousandths.
  private func removedCount(_ share: Double, of count: Int) -> Int {
    (Int((1000 * share).rounded()) * count + 999) / 1000
  }

  /// Returns a tensor of a mask file.
  func mask(_ file: SafetensorsFile, _ name: String) throws -> [UInt8] {
    let entry = try #require(file.tensor(name))
    var values = [UInt8](repeating: 0, count: entry.count)
    try values.withUnsafeMutableBytes {
      try file.read(name, type: .bool, shape: entry.shape, into: $0)
    }
    return values
  }

  /// The requested number of smallest weights is zero, and all others are unchanged.
  @Test("magnitude pruning removes the smallest weights") func smallestWeights() throws {
    let (output, text) = try prune("mlp", to: "pruned", ["--sparsity", "0.777"])
    let dense = try SafetensorsFile(path: try trained("mlp"))
    let pruned = try SafetensorsFile(path: "\(output)/model.safetensors")
    let masks = try SafetensorsFile(path: "\(output)/masks.safetensors")
    #expect(masks.tensors.map(\.name) == ["1.weight", "3.weight", "5.weight"])
    #expect(pruned.tensors.map(\.name) == dense.tensors.map(\.name))
    var (removed, kept): ([Float], [Float]) = ([], [])
    for tensor in dense.tensors {
      let (before, after) = (
        try dense.values(tensor.name, as: Float.self),
        try pruned.values(tensor.name, as: Float.self)
      )
      guard tensor.name.hasSuffix("weight") else {
        #expect(before == after, "\(tensor.name)")
        continue
      }
      for (i, isKept) in try mask(masks, tensor.name).enumerated() {
        #expect(after[i].bitPattern == (isKept == 1 ? before[i].bitPattern : 0))
        if isKept == 1 { kept.append(abs(before[i])) } else { removed.append(abs(before[i])) }
      }
    }
    let prunable = removed.count + kept.count
    #expect(removed.count == removedCount(0.777, of: prunable))
    #expect(removed.max()! <= kept.min()!)

    let report = try PruningReport.read(output)
    let result = report.results[0]
    #expect(report.prunable == prunable && result.removed == removed.count)
    #expect(result.kept == kept.count)
    #expect(result.sparsity == Double(removed.count) / Double(prunable))
    #expect(result.tensors.filter(\.isPrunable).reduce(0) { $0 + $1.kept } == kept.count)
    #expect(report.parameters == result.tensors.reduce(0) { $0 + $1.weights })
    // The network has learned something, and lost some of it.
    let (before, after) = (try #require(report.dense), try #require(result.quality))
    let accuracies = (try #require(before.accuracy), try #require(after.accuracy))
    #expect(accuracies.0 > 0.8 && accuracies.1 < accuracies.0)
    #expect(after.loss.value > before.loss.value)
    #expect(text.contains(String(format: "%.2f %%", 100 * accuracies.1)))
  }

  static let settings: [(model: String, arguments: [String])] = [
    ("mlp", ["--sparsity", "0.9"]),
    ("mlp", ["--sparsity", "0.8", "--scope", "uniform"]),
    ("mlp", ["--sparsity", "0.7", "--max-tensor-sparsity", "0.75"]),
    ("mlp", ["--pattern", "2:4"]),
    ("mlp", ["--sparsity", "0.5", "--pattern", "2x4"]),
    ("cnn", ["--sparsity", "0.6", "--pattern", "4x1", "--exclude", "9.*"]),
    ("cnn", ["--pattern", "1:4", "--exclude", "0.weight"]),
    ("cnn", ["--sparsity", "0.8", "--method", "mfac", "--gradients", "50"]),
    (
      "mlp",
      [
        "--pattern", "2:4", "--method", "mfac", "--gradients", "20", "--gradient-batch", "40",
        "--gradient-scale", "0.1", "--damping", "1e-3",
      ]
    ),
    (
      "mlp",
      [
        "--sparsity", "0.7", "--method", "mfac", "--update", "independent", "--gradients", "33",
        "--damping", "0.01",
      ]
    ),
    (
      "mlp",
      [
        "--sparsity", "0.8", "--method", "woodfisher", "--block-size", "300", "--gradients", "40",
      ]
    ),
    (
      "mlp",
      [
        "--sparsity", "0.8", "--method", "woodfisher", "--block-size", "1000000", "--gradients",
        "10", "--update", "independent", "--block-scope", "all",
      ]
    ),
    ("mlp", ["--sparsity", "0.8", "--method", "diagonal", "--gradients", "60"]),
    (
      "mlp",
      [
        "--sparsity", "0.9", "--method", "mfac", "--select", "greedy", "--greedy-steps", "3",
        "--stages", "3", "--gradients", "30",
      ]
    ),
  ]

  @Test("the bytes do not depend on the number of ranks", arguments: settings.indices)
  func rankInvariance(index: Int) throws {
    let (model, arguments) = Self.settings[index]
    var files: Set<[Data]> = []
    for ranks in rankCounts(forSettings: index) {
      let (output, _) = try prune(ranks: ranks, model, to: "ranks-\(ranks ?? 0)", arguments)
      files.insert(
        [
          try bytes("\(output)/model.safetensors"), try bytes("\(output)/masks.safetensors"),
        ])
    }
    #expect(files.count == 1, "\(arguments)")
  }

  /// Compares the loss after pruning, from the least to the most use of gradients.
  @Test("gradients improve pruning") func gradientsHelp() throws {
    var losses: [String: Double] = [:]
    for (name, arguments) in [
      ("magnitude", ["--method", "magnitude"]),
      ("none", ["--method", "mfac", "--update", "none"]),
      ("joint", ["--method", "mfac"]),
      ("greedy", ["--method", "mfac", "--select", "greedy", "--greedy-steps", "8"]),
      ("staged", ["--method", "mfac", "--stages", "6"]),
      ("blocks", ["--method", "woodfisher", "--block-size", "500"]),
    ] {
      let (output, text) = try prune(
        ranks: 2, "mlp", to: name,
        ["--sparsity", "0.97"] + arguments
          + (name == "magnitude" ? [] : ["--gradients", "400", "--damping", "1e-4"]))
      losses[name] = try PruningReport.read(output).results[0].quality?.loss.finite
      #expect(text.contains("400 gradients in") == (name != "magnitude"))
    }
    #expect(losses["joint"]! < min(losses["none"]!, losses["magnitude"]!), "\(losses)")
    #expect(losses["greedy"]! < losses["joint"]!, "\(losses)")
    #expect(losses["staged"]! < losses["greedy"]!, "\(losses)")
    #expect(losses["blocks"]! < losses["magnitude"]!, "\(losses)")
  }

  /// Some tensors have their own share, the others the rest; the total is the requested sparsity.
  @Test("tensors may have their own sparsities") func tensorSparsities() throws {
    let (output, _) = try prune(
      "mlp", to: "own",
      [
        "--sparsity", "0.6", "--scope", "per-tensor", "--tensor-sparsity", "5.*=0.25",
        "--tensor-sparsity", "[35].weight=0.5", "--include", "*.weight", "--include", "1.bias",
      ])
    let result = try PruningReport.read(output).results[0]
    let tensors = Dictionary(uniqueKeysWithValues: result.tensors.map { ($0.name, $0) })
    #expect(
      tensors.values.filter(\.isPrunable).map(\.name).sorted()
        == ["1.bias", "1.weight", "3.weight", "5.weight"])
    #expect(tensors["5.weight"]!.sparsity == 0.25 && tensors["3.weight"]!.sparsity == 0.5)
    #expect(result.removed == removedCount(0.6, of: result.removed + result.kept))
    // Both have the same sparsity, to a weight.
    let (weight, bias) = (tensors["1.weight"]!, tensors["1.bias"]!)
    #expect(abs(weight.sparsity - bias.sparsity) < 1 / Double(bias.weights))
  }

  /// Weights that a given mask removed stay removed, and the sparsity counts both.
  @Test("a given mask is kept") func givenMasks() throws {
    let first = try prune("mlp", to: "first", ["--sparsity", "0.79", "--scope", "uniform"]).output
    let masks = "\(first)/masks.safetensors"
    let second = try prune("mlp", to: "second", ["--sparsity", "0.8", "--masks", masks]).output
    let (before, after) = (
      try SafetensorsFile(path: masks), try SafetensorsFile(path: "\(second)/masks.safetensors")
    )
    for tensor in before.tensors {
      let pairs = zip(try mask(before, tensor.name), try mask(after, tensor.name))
      #expect(pairs.allSatisfy { $0 >= $1 }, "\(tensor.name)")
    }
    let result = try PruningReport.read(second).results[0]
    #expect(result.removed == removedCount(0.8, of: result.kept + result.removed))
    #expect(
      try bytes("\(second)/masks.safetensors")
        != bytes(
          "\(try prune("mlp", to: "alone", ["--sparsity", "0.8"]).output)/masks.safetensors"))
  }

  /// A sweep gives the networks of single runs, and one report.
  @Test("a sweep equals several runs") func sweep() throws {
    let output = try prune("mlp", to: "sweep", ["--sweep", "0,0.5,0.95"]).output
    let report = try PruningReport.read(output)
    let results = report.results
    #expect(results.map(\.removed).first == 0 && results.count == 3)
    #expect(results[0].quality?.loss.value == (try #require(report.dense)).loss.value)
    for sparsity in ["0.5", "0.95"] {
      let single = try prune("mlp", to: "single-\(sparsity)", ["--sparsity", sparsity]).output
      for name in ["model.safetensors", "masks.safetensors"] {
        #expect(
          try bytes("\(single)/\(name)") == bytes("\(output)/sparsity-\(sparsity)/\(name)"))
      }
    }
    #expect(
      try bytes("\(output)/sparsity-0.0/model.safetensors") == bytes(try trained("mlp")))
  }
}
