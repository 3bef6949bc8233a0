import Formats
import Foundation
import RunRecords
import Support
import Testing

/// Tests the files that the pruning program writes in addition to the network and its masks, and
/// their description.
@Suite(.serialized) struct PruneOutputTests {
  let directory = try! TemporaryDirectory()

  func prune(
    ranks: Int? = nil, _ model: String, to name: String, _ arguments: [String]
  ) throws -> (output: String, text: String, status: Int32, errors: String) {
    let output = directory.path(name)
    let isFile = model.hasSuffix(".yaml")
    let weights = try TrainedDigits.weights(
      of: isFile ? String(contentsOfFile: model, encoding: .utf8) : model, ["--epochs", "1"])
    let outcome = try Program.run(
      Program.process(
        ranks: ranks, program: Program.prune,
        ["--dataset", "digits", "--model", model, "--weights", weights, "--output", output]
          + arguments))
    return (output, outcome.output, outcome.status, outcome.errors)
  }

  private func bytes(_ path: String) throws -> Data { try Data(contentsOf: URL(filePath: path)) }

  /// Returns the integers of a tensor of unsigned type or of I64.
  private func integers(_ file: SafetensorsFile, _ name: String) throws -> [Int] {
    let entry = try #require(file.tensor(name))
    var memory = [UInt8](repeating: 0, count: entry.range.count)
    try memory.withUnsafeMutableBytes {
      try file.read(name, type: entry.dtype, shape: entry.shape, into: $0)
    }
    let width = entry.dtype.byteCount
    return (0..<entry.count).map { index in
      (0..<width).reversed().reduce(0) { $0 << 8 | Int(memory[index * width + $1]) }
    }
  }

  /// Writes a network with everything that a file may hold: biases, statistics, rows of more than
  /// 256 inputs, and a pruned tensor of one dimension.
  private func model() throws -> String {
    let path = directory.path("net.yaml")
    try """
    input: [1, 8, 8]
    layers:
      - conv2d: {in: 1, out: 12, kernel: 3, padding: 1}
      - batch-norm
      - relu
      - flatten
      - linear: {in: 768, out: 20}
      - relu
      - linear: {in: 20, out: 10, bias: false}
    """.write(toFile: path, atomically: true, encoding: .utf8)
    return path
  }

  @Test("compressed rows hold the pruned network") func compressedRows() throws {
    let arguments = [
      "--sparsity", "0.9", "--include", "*.weight", "--include", "4.bias", "--exclude", "1.*",
      "--sparse-output",
    ]
    var files: Set<Data> = []
    let model = try model()
    for ranks in [nil, 1, 2, 3, 8] {
      let (output, _, status, errors) = try prune(
        ranks: ranks, model, to: "sparse-\(ranks ?? 0)", arguments)
      try #require(status == 0, "\(errors)")
      files.insert(try bytes("\(output)/sparse.safetensors"))
    }
    #expect(files.count == 1)

    let output = directory.path("sparse-0")
    let pruned = try SafetensorsFile(path: "\(output)/model.safetensors")
    let sparse = try SafetensorsFile(path: "\(output)/sparse.safetensors")
    let report = try PruningReport.read(output)
    var types: Set<TensorType> = []
    for tensor in pruned.tensors {
      let dense = try pruned.values(tensor.name, as: Float.self)
      guard sparse.tensor(tensor.name) == nil else {
        #expect(tensor.name == "0.bias" || tensor.name.hasPrefix("1."), "\(tensor.name)")
        #expect(
          try sparse.values(tensor.name, as: Float.self).map(\.bitPattern)
            == dense.map(\.bitPattern))
        continue
      }
      #expect(try integers(sparse, "\(tensor.name).shape") == tensor.shape)
      let offsets = try integers(sparse, "\(tensor.name).offsets")
      let columns = try integers(sparse, "\(tensor.name).columns")
      let values = try sparse.values("\(tensor.name).values", as: Float.self)
      types.insert(try #require(sparse.tensor("\(tensor.name).columns")).dtype)
      let rows = offsets.count - 1
      #expect(rows == (tensor.shape.count > 1 ? tensor.shape[0] : 1))
      var rebuilt = [Float](repeating: 0, count: tensor.count)
      for row in 0..<rows {
        for k in offsets[row]..<offsets[row + 1] {
          rebuilt[row * tensor.count / rows + columns[k]] = values[k]
        }
      }
      #expect(rebuilt.map(\.bitPattern) == dense.map(\.bitPattern), "\(tensor.name)")
      let kept = try #require(report.results[0].tensors.first { $0.name == tensor.name }).kept
      #expect(values.count == kept && columns.count == kept && offsets[rows] == kept)
    }
    // The smallest types that hold 768 columns, and 9.
    #expect(types == [.uint16, .uint8])
    // Each tensor is aligned for readers that map the file.
    for tensor in sparse.tensors {
      #expect(tensor.range.lowerBound % tensor.dtype.byteCount == 0, "\(tensor.name)")
    }
    let sizes = report.results[0].bytes
    for (name, size) in [
      ("model", sizes.model), ("masks", sizes.masks), ("sparse", sizes.sparse ?? 0),
    ] {
      #expect(try bytes("\(output)/\(name).safetensors").count == size, "\(name)")
    }
    #expect(sizes.sparse! < sizes.model / 3)
  }

  /// There is no such file without the flag, and the report does not mention one.
  @Test("compressed rows are written only on request") func optionalCompressedRows() throws {
    let (output, text, status, errors) = try prune("mlp", to: "plain", ["--sparsity", "0.5"])
    try #require(status == 0, "\(errors)")
    #expect(!FileManager.default.fileExists(atPath: "\(output)/sparse.safetensors"))
    #expect(try PruningReport.read(output).results[0].bytes.sparse == nil)
    #expect(text.contains("masks bytes") && !text.contains("sparse bytes"))
  }

  /// Whole filters and rows go; the sparsity is the smallest they can reach at or above the
  /// requested one.
  @Test("channels are removed whole") func wholeChannels() throws {
    var files: Set<Data> = []
    for (ranks, arguments) in [
      (nil, []), (1, []), (2, []), (3, []), (8, []), (2, ["--weigh", "flops"]),
    ] as [(Int?, [String])] {
      let (output, text, status, errors) = try prune(
        ranks: ranks, "cnn", to: "channels-\(ranks ?? 0)\(arguments.joined())",
        [
          "--sparsity", "0.5", "--pattern", "channels", "--exclude", "9.weight", "--method", "mfac",
          "--gradients", "50",
        ] + arguments)
      try #require(status == 0, "\(errors)")
      #expect(text.contains("channels"))
      try checkChannels(in: output)
      files.insert(try bytes("\(output)/model.safetensors"))
    }
    // Weighing removes other channels.
    #expect(files.count == 2)
  }

  private func checkChannels(in output: String) throws {
    let file = try SafetensorsFile(path: "\(output)/model.safetensors")
    var removed: [Int] = []
    for tensor in file.tensors where tensor.shape.count > 1 && tensor.name != "9.weight" {
      let values = try file.values(tensor.name, as: Float.self)
      let size = values.count / tensor.shape[0]
      for start in stride(from: 0, to: values.count, by: size) {
        let zeros = values[start..<start + size].count { $0 == 0 }
        #expect(zeros == 0 || zeros == size, "\(tensor.name), output \(start / size)")
        if zeros == size { removed.append(size) }
      }
    }
    let report = try PruningReport.read(output)
    let count = removed.reduce(0, +)
    #expect(report.results[0].removed == count && 2 * count >= report.prunable)
    // One channel less would miss the requested sparsity.
    #expect(2 * (count - removed.max()!) < report.prunable)
  }

  /// Convolutions cost more than their share of the weights: with weighing, more of them go.
  @Test("pruning may weigh weights by multiply-adds") func weighedPruning() throws {
    var results: [String: PruningReport.Result] = [:]
    for weigh in ["none", "flops"] {
      let (output, text, status, errors) = try prune(
        "cnn", to: "weigh-\(weigh)", ["--sparsity", "0.7", "--weigh", weigh])
      try #require(status == 0, "\(errors)")
      let report = try PruningReport.read(output)
      let result = report.results[0]
      results[weigh] = result
      // Images are 8×8: both convolutions stand before their pools.
      #expect(result.tensors.prefix(3).map(\.multiplyAddsPerWeight) == [64, 0, 16])
      #expect(report.multiplyAdds == 144 * 64 + 4608 * 16 + 128 * 64 + 640)
      let multiplyAdds = try #require(result.multiplyAdds)
      #expect(
        multiplyAdds == result.tensors.reduce(0) { $0 + $1.kept * $1.multiplyAddsPerWeight })
      #expect(text.contains("multiply-adds") && text.contains("\(multiplyAdds)"))
    }
    #expect(results["none"]!.removed == results["flops"]!.removed)
    #expect(2 * results["flops"]!.multiplyAdds! < results["none"]!.multiplyAdds!, "\(results)")

    // The removed share of multiply-adds is exact to one weight of a convolution.
    let (shared, _, sharedStatus, sharedErrors) = try prune(
      ranks: 2, "cnn", to: "shared",
      ["--sparsity", "0.7", "--weigh", "flops", "--sparsity-of", "flops"])
    try #require(sharedStatus == 0, "\(sharedErrors)")
    let report = try PruningReport.read(shared)
    let all = try #require(report.multiplyAdds)
    let removed = all - (try #require(report.results[0].multiplyAdds))
    let beyond = 10 * removed - 7 * all
    #expect(beyond >= 0 && beyond < 10 * 64, "\(removed) of \(all)")

    let (output, _, status, errors) = try prune(
      ranks: 2, "cnn", to: "refused",
      ["--sparsity", "0.7", "--weigh", "flops", "--include", "*.weight", "--include", "0.bias"])
    #expect(status != 0 && errors.components(separatedBy: "Error: ").count == 2)
    #expect(errors.contains("'0.bias'") && errors.contains("multiply-adds"), "\(errors)")
    #expect(!FileManager.default.fileExists(atPath: output))
  }

  /// A filter may push the removed multiply-adds beyond the next stage's goal.
  @Test("a stage may exceed the goal of the next") func overshotStages() throws {
    let (output, _, status, errors) = try prune(
      "cnn", to: "overshot",
      ["--sparsity", "0.6", "--pattern", "channels", "--sparsity-of", "flops", "--stages", "300"])
    try #require(status == 0, "\(errors)")
    let report = try PruningReport.read(output)
    let all = try #require(report.multiplyAdds)
    let removed = all - (try #require(report.results[0].multiplyAdds))
    let beyond = 10 * removed - 6 * all
    #expect(beyond >= 0 && beyond < 10 * 144 * 16, "\(removed) of \(all)")
  }
}
