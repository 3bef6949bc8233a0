import Formats
import Foundation
import Support
import Testing

/// Tests training, pruning and Fisher queries in double precision through the programs.
@Suite struct DoublePrecisionRunTests {
  private let directory = try! TemporaryDirectory()

  private func train(_ name: String, _ arguments: [String]) throws -> Program.Outcome {
    try Program.train(
      ["--dataset", "digits", "--model", "mlp", "--steps", "60", "--save-every-steps", "30"]
        + arguments + ["--run-directory", directory.path(name)])
  }

  /// Returns the weights of a run in double precision.
  private func trained() throws -> String {
    let outcome = try train("run", ["--precision", "float64", "--window", "8"])
    try #require(outcome.status == 0, "\(outcome.errors)")
    return directory.path("run/model.safetensors")
  }

  /// The pruned network, its masks and its sparse file have the same bytes for any number of ranks.
  /// The weights have digits that single precision does not hold.
  @Test("pruned networks keep their double-precision digits", arguments: ["mfac", "woodfisher"])
  func prunedDigits(method: String) throws {
    let weights = try trained()
    var models: [[Data]] = []
    for ranks in [nil, 2, 3, 5, 8] {
      let output = directory.path("pruned-\(ranks ?? 0)")
      let outcome = try Program.run(
        Program.process(
          ranks: ranks, program: Program.prune,
          [
            "--precision", "float64", "--dataset", "digits", "--model", "mlp", "--weights", weights,
            "--output", output, "--sparsity", "0.8", "--method", method, "--gradients", "60",
            "--gradient-batch", "8", "--sparse-output", "--block-size", "300", "--damping", "1e-4",
          ].filter { method == "woodfisher" || !["--block-size", "300"].contains($0) }))
      try #require(outcome.status == 0, "\(outcome.errors)")
      models.append(
        try ["model", "masks", "sparse"].map {
          try Data(contentsOf: URL(filePath: "\(output)/\($0).safetensors"))
        })
    }
    #expect(models.allSatisfy { $0 == models[0] })
    let file = try SafetensorsFile(path: directory.path("pruned-0/model.safetensors"))
    #expect(file.tensors.allSatisfy { $0.dtype == .float64 })
    let pruned = try file.values("1.weight", as: Double.self)
    let kept = pruned.filter { $0 != 0 }
    #expect(kept.count < pruned.count / 2)
    #expect(kept.count { Double(Float($0)) != $0 } > kept.count * 9 / 10)
  }

  /// Answers agree for any number of ranks; with gradients in single precision they differ by its
  /// rounding.
  @Test("Fisher queries answer in double precision") func doubleAnswers() throws {
    let weights = try trained()
    func diagonal(ranks: Int?, _ precision: String) throws -> [Double] {
      let path = directory.path("diagonal-\(precision)-\(ranks ?? 0).safetensors")
      let outcome = try Program.run(
        Program.process(
          ranks: ranks, program: Program.fisher,
          [
            "diagonal", "--precision", precision, "--dataset", "digits", "--model", "mlp",
            "--weights", weights, "--gradients", "20", "--damping", "1e-2", "--output", path,
          ]))
      try #require(outcome.status == 0, "\(outcome.errors)")
      return try SafetensorsFile(path: path).values("1.weight", as: Double.self)
    }
    let exact = try diagonal(ranks: nil, "float64")
    for ranks in [2, 3, 8] { #expect(try diagonal(ranks: ranks, "float64") == exact) }
    let error = relativeError(try diagonal(ranks: nil, "float32"), to: exact)
    #expect(error > 1e-12 && error < 1e-5, "\(error)")
  }

  /// A checkpoint cannot be read in another precision, and a window cannot be wider than its
  /// gradients.
  @Test("different precisions are refused, not mixed") func mixedPrecisions() throws {
    _ = try trained()
    let resumed = try train(
      "resumed", ["--window", "8", "--resume", directory.path("run/checkpoints/step-00000030")])
    #expect(resumed.status == 1)
    #expect(
      resumed.errors.contains(
        "is of a run with another --precision: expected float32, got float64"),
      "\(resumed.errors)")
    let wide = try train("wide", ["--window-type", "float64"])
    #expect(wide.status == 64)
    #expect(
      wide.errors.contains("float32, bfloat16 or int8 with --precision float32, got float64"),
      "\(wide.errors)")
  }

  /// `--sparse` does not remove a weight that single precision would round to zero.
  @Test("weights below single precision are not removed") func tinyWeights() throws {
    let file = try SafetensorsFile(path: try trained())
    var tensors = try file.tensors.map {
      ($0.name, $0.shape, try file.values($0.name, as: Double.self))
    }
    let index = try #require(tensors.firstIndex { $0.0 == "1.weight" })
    (tensors[index].2[0], tensors[index].2[1]) = (0, 1e-60)
    let memory = tensors.map { tensor in
      let values = UnsafeMutableBufferPointer<Double>.allocate(capacity: tensor.2.count)
      _ = values.initialize(fromContentsOf: tensor.2)
      return values
    }
    defer { for values in memory { values.deallocate() } }
    let weights = directory.path("weights.safetensors")
    try SafetensorsFile.write(
      zip(tensors, memory).map { ($0.0, $0.1, UnsafeBufferPointer($1)) }, to: weights)
    for (precision, removed) in [("float64", 1), ("float32", 2)] {
      let outcome = try train(
        precision, ["--precision", precision, "--weights", weights, "--sparse", "--window", "3"])
      #expect(outcome.status == 0, "\(outcome.errors)")
      #expect(outcome.output.contains("masks      \(removed) of "), "\(outcome.output)")
    }
  }
}
